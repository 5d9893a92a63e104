// Which columns are shown, and the way out as CSV.

import { html, useEffect, useRef, useState } from "../html.js";
import { address } from "../api.js";
import { count } from "../format.js";
import { Menu } from "../ui/menu.js";
import { Icon } from "../ui/icon.js";
import { say } from "../ui/toast.js";
import { areUsual, COLUMNS, columnsShown, keep, mayHide, showColumn } from "./columns.js";
import { save, written } from "./csv.js";

export function Columns() {
  const shown = new Set(columnsShown());
  return html`
    <${Menu} label=${html`<${Icon} name="columns" /><span>Columns</span>`} align="end" kind="columns-menu">${() => html`
      ${COLUMNS.map((column) => html`
        <label key=${column.key} class="filter-option"><input type="checkbox" checked=${shown.has(column)} disabled=${!mayHide(column)}
          onChange=${(event) => showColumn(column.key, event.target.checked)} /><span>${column.hint && column.title !== "Model" ? column.hint : column.title}</span></label>`)}
      <button type="button" class="menu-clear" disabled=${areUsual()} onClick=${() => keep(null)}>As usual</button>`}<//>`;
}

export function Csv({ params, columns }) {
  const [progress, setProgress] = useState(null);
  const work = useRef(null);
  useEffect(() => () => work.current?.abort(), []);
  const begin = async () => {
    work.current = new AbortController();
    setProgress([0, null]);
    try {
      save(await written(params, columns, (done, all) => setProgress([done, all]), work.current.signal), "rollbook-sessions.csv");
    } catch (error) {
      if (error.name !== "AbortError") say(`The CSV could not be made: ${error.message}`, "bad");
    }
    setProgress(null);
  };
  if (progress) {
    const [done, all] = progress;
    return html`<span class="csv-progress" role="status">${count(done)}${all === null ? "" : ` of ${count(all)}`}</span>
      <button type="button" class="button" onClick=${() => work.current.abort()}>Stop</button>`;
  }
  const { order_by: _by, descending: _down, ...filters } = params;
  const whole = address("/api/v1/export", { what: "sessions", format: "csv", ...filters });
  return html`
    <${Menu} label=${html`<${Icon} name="download" /><span>CSV</span>`} align="end">${(close) => html`
      <button type="button" onClick=${() => { close(); begin(); }}>These columns, in this order</button>
      <a href=${whole} download onClick=${close}>Every column, by age</a>`}<//>`;
}
