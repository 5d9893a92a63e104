// Sessions: a table of any number of them, and a box in which they are asked for.

import { html, useEffect, useRef } from "../html.js";
import { ask, query as asked, range } from "../state.js";
import { within } from "../format.js";
import { Empty, Failure } from "../ui/states.js";
import { NoSessions } from "../ui/none.js";
import { Menu } from "../ui/menu.js";
import { Icon } from "../ui/icon.js";
import { Box, readError } from "../sessions/box.js";
import { Filters } from "../sessions/filters.js";
import { columnsShown, SORTS } from "../sessions/columns.js";
import { Columns, Csv } from "../sessions/tools.js";
import { Announced, useList, useSmall } from "../sessions/list.js";
import { useKeys } from "../sessions/keys.js";
import { useNames } from "../sessions/names.js";
import { Selection } from "../sessions/selected.js";
import { SessionTable, total } from "../sessions/table.js";

const BY = { cost: "cost_usd", active: "last_activity_at", started: "started_at", ended: "ended_at", state: "effective_status" };

function sortOf(params) {
  const said = BY[params.get("sort")] ?? params.get("sort");
  return { by: SORTS.some(([name]) => name === said) ? said : "last_activity_at", ascending: params.get("up") === "1" };
}

export default function Sessions() {
  const text = (asked.value.get("query") ?? "").trim();
  const sort = sortOf(asked.value);
  const list = useList({ query: text, ...range.value, order_by: sort.by, descending: !sort.ascending });
  const [fields, near] = useNames();
  const small = useSmall();
  const input = useRef(null);
  const columns = columnsShown();
  useKeys(list, small, input);
  useEffect(near, []);
  const wrong = list.error && [400, 422].includes(list.error.status) && text ? readError(list.error, text) : null;
  const writing = useRef(false);
  const askFor = (said, typed) => {
    ask({ query: said }, { replace: typed && writing.current }); // what one writes is one step back
    writing.current = typed;
  };
  const choose = (said) => askFor(said.trim(), false);
  const onSort = (by) => ask({ sort: by === "last_activity_at" ? null : by, up: by === sort.by && !sort.ascending ? "1" : null });
  return html`
    <div class="sessions-page">
      <h1 class="unseen">Sessions</h1>
      <div class="asking">
        <${Box} query=${text} error=${wrong} onAsk=${askFor} fields=${fields} onNear=${near} input=${input} />
        ${small && html`<${SortMenu} sort=${sort} onSort=${onSort} />`}
        ${!small && html`<${Columns} />`}
        <${Csv} params=${list.params} columns=${columns} />
      </div>
      <div class="asking-more">
        <${Filters} query=${text} onAsk=${choose} fields=${fields} onNear=${near} />
        <${Announced} list=${list} />
        <p class="list-count" role="status">${list.error ? "" : total(list.shown)}</p>
      </div>
      ${list.error && !wrong && html`<${Failure} error=${list.error} what="Sessions cannot be listed." again=${list.again} />`}
      <${Body} list=${list} columns=${columns} small=${small} sort=${sort} onSort=${onSort} text=${text} wrong=${wrong} />
      <${Selection} />
    </div>`;
}

function Body({ list, columns, small, sort, onSort, text, wrong }) {
  const rows = list.shown;
  const nothing = rows.loaded && rows.height === 0 && !list.busy && !list.error;
  if (!rows.loaded && (list.error || wrong)) return html`<div class="list-rows rows-none"></div>`;
  if (!rows.loaded) return html`<${Waiting} />`;
  if (nothing) return html`<div class="list-rows rows-none"><${Nothing} text=${text} /></div>`;
  return html`<${SessionTable} rows=${rows} columns=${columns} small=${small} sort=${sort} onSort=${onSort} view=${list.view} onActive=${list.setActive} busy=${list.busy || wrong !== null} />`;
}

const Waiting = () => html`
  <div class="list-rows rows-waiting loading" role="status"><span class="unseen">Sessions are on their way.</span>${Array.from({ length: 14 }, (_, turn) => html`<i key=${turn} aria-hidden="true"></i>`)}</div>`;

function Nothing({ text }) {
  if (!text) return html`<${NoSessions} />`;
  const all = range.value.since === "all" && !range.value.until;
  return html`<${Empty} title=${all ? "No session fits." : `No session that fits was active ${within(range.value)}.`}><div class="empty-actions">
    <button type="button" class="button" onClick=${() => ask({ query: null })}>Clear the filter</button>
    ${!all && html`<button type="button" class="button" onClick=${() => ask({ since: "all", until: null })}>Look at all time</button>`}</div><//>`;
}

const SortMenu = ({ sort, onSort }) => html`
  <${Menu} label="Sort" align="end">${(close) => SORTS.map(([name, title]) => html`
    <button key=${name} type="button" aria-pressed=${String(sort.by === name)} onClick=${() => { onSort(name); close(); }}>
      <span>${title}</span>${sort.by === name && html`<${Icon} name=${sort.ascending ? "up" : "down"} />`}</button>`)}<//>`;
