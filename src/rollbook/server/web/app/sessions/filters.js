// Menus for what is asked for most. They write into the box, where all of it can be read.

import { html } from "../html.js";
import { Menu } from "../ui/menu.js";
import { Icon } from "../ui/icon.js";
import { Status } from "../ui/parts.js";
import { shortModel } from "../format.js";
import { userName } from "../people.js";
import { comparisonsOf, termsOf, valuesOf, withTerms, withValues } from "./terms.js";

const COSTS = [["cost>0.1", "More than $0.10"], ["cost>1", "More than $1"], ["cost>5", "More than $5"], ["cost>20", "More than $20"], ["unpriced:yes", "With calls without a price"]];
const TIMES = [["active:15m", "Active in the last 15 minutes"], ["active:1h", "In the last hour"], ["active:24h", "In the last 24 hours"], ["active:7d", "In the last 7 days"]];
const called = (name) => (/^[0-9a-f-]{36}$/.test(name) ? userName(name) : name);
const capital = (word) => word[0].toUpperCase() + word.slice(1);

// onAsk(query) with the query as it shall be; fields: as the server tells them.
export const Filters = ({ query, onAsk, fields, onNear }) => html`
  <div class="filters" role="group" aria-label="Filters" onPointerEnter=${onNear} onFocusIn=${onNear}>
    <${Names} field="status" title="State" words=${fields.status?.values} query=${query} onAsk=${onAsk} says=${(name) => html`<${Status} name=${name} />`} />
    <${Names} field="agent" title="Agent" words=${fields.agent?.values} query=${query} onAsk=${onAsk} />
    <${Names} field="model" title="Model" words=${fields.model?.values} query=${query} onAsk=${onAsk} says=${shortModel} />
    ${(fields.user?.values.length !== 1 || valuesOf(query, "user").length > 0) && html`<${Names} field="user" title="User" words=${fields.user?.values} query=${query} onAsk=${onAsk} says=${called} />`}
    <${Names} field="kind" title="Kind" words=${fields.kind?.values} query=${query} onAsk=${onAsk} says=${capital} />
    <${Names} field="channel" title="Channel" words=${fields.channel?.values} query=${query} onAsk=${onAsk} />
    <${Names} field="dataset" title="Dataset" words=${fields.dataset?.values} query=${query} onAsk=${onAsk} />
    <${Amounts} title="Cost" fields=${["cost", "unpriced"]} choices=${COSTS} query=${query} onAsk=${onAsk}>${(close) => html`<${OwnCost} query=${query} onAsk=${(text) => { onAsk(text); close(); }} />`}<//>
    <${Amounts} title="Time" fields=${["active", "started", "ended"]} choices=${TIMES} query=${query} onAsk=${onAsk}>${(close) => html`<${OwnTime} query=${query} onAsk=${(text) => { onAsk(text); close(); }} />`}<//>
  </div>`;

const Label = ({ title, chosen, says = (name) => name }) => html`
  <span>${title}</span>${chosen.length > 0 && html`<span class="chosen">${chosen.length > 1 ? chosen.length : says(chosen[0])}</span>`}`;

function Names({ field, title, words, query, onAsk, says = (name) => name }) {
  const chosen = valuesOf(query, field);
  const all = [...new Set([...(words ?? []), ...chosen])];
  const turn = (name) => onAsk(withValues(query, field, chosen.includes(name) ? chosen.filter((each) => each !== name) : [...chosen, name]));
  return html`
    <${Menu} label=${html`<${Label} title=${title} chosen=${chosen} says=${field === "status" ? capital : says} />`} pressed=${chosen.length > 0} kind="filter">${() => html`
      ${all.map((name) => html`<label key=${name} class="filter-option"><input type="checkbox" checked=${chosen.includes(name)} onChange=${() => turn(name)} /><span class="clip" title=${name}>${says(name)}</span></label>`)}
      ${words === undefined && html`<p class="menu-note">One moment.</p>`}
      ${words && !all.length && html`<p class="menu-note">None in this range.</p>`}
      ${chosen.length > 0 && html`<button type="button" class="menu-clear" onClick=${() => onAsk(withValues(query, field, []))}>Any</button>`}`}<//>`;
}

function Amounts({ title, fields, choices, query, onAsk, children }) {
  const chosen = fields.flatMap((field) => comparisonsOf(query, field));
  const set = (term) => onAsk(replaced(query, fields, term ? [term] : []));
  return html`
    <${Menu} label=${html`<${Label} title=${title} chosen=${chosen} says=${(term) => term.replace(/^cost(?=[<>])/, "")} />`} pressed=${chosen.length > 0} kind="filter">${(close) => html`
      ${choices.map(([term, says]) => html`<button key=${term} type="button" class="filter-option" aria-pressed=${String(chosen.includes(term))} onClick=${() => { set(term); close(); }}>
        <span class="clip">${says}</span>${chosen.includes(term) && html`<${Icon} name="check" />`}</button>`)}
      <div class="menu-own">${children(close)}</div>
      ${chosen.length > 0 && html`<button type="button" class="menu-clear" onClick=${() => { set(null); close(); }}>Any</button>`}`}<//>`;
}

function replaced(query, fields, texts) {
  const without = fields.reduce((text, field) => withTerms(text, field, []), query);
  return [without, ...texts].filter(Boolean).join(" ");
}

// What a term says behind its field and one of some signs; "" where there is none.
const said = (query, field, ...signs) => termsOf(query).find((term) => term.field === field && !term.negated && signs.includes(term.sign))?.value ?? "";

// Two ends that were written the wrong way round are meant the other way round.
const inOrder = (from, to, size) => (from && to && size(from) > size(to) ? [to, from] : [from, to]);

function OwnCost({ query, onAsk }) {
  const chosen = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const [least, most] = inOrder(form.get("least"), form.get("most"), Number);
    onAsk(replaced(query, ["cost", "unpriced"], [least && `cost>=${least}`, most && `cost<=${most}`].filter(Boolean)));
  };
  return html`
    <form class="own-amount" onSubmit=${chosen}>
      <input name="least" type="number" min="0" step="any" placeholder="from $" aria-label="Cost at least, in dollars" value=${said(query, "cost", ">=", ">")} />
      <input name="most" type="number" min="0" step="any" placeholder="to $" aria-label="Cost at most, in dollars" value=${said(query, "cost", "<=", "<")} />
      <button class="button">Set</button>
    </form>`;
}

const KINDS_OF_TIME = [["started", "Started"], ["active", "Active"], ["ended", "Ended"]];

// A day of the viewer's calendar as a moment, and back. later: so many days after it begins.
function moment(day, later) {
  const at = new Date(`${day}T00:00`);
  at.setDate(at.getDate() + later);
  return at.toISOString().replace(".000", "");
}

function dayOf(text, earlier) {
  const at = new Date(text);
  if (!/^\d{4}-/.test(text) || Number.isNaN(at.getTime())) return "";
  return new Date(at - earlier).toLocaleDateString("sv"); // (as ISO 8601 has it)
}

function OwnTime({ query, onAsk }) {
  const [which] = KINDS_OF_TIME.find(([name]) => comparisonsOf(query, name).length) ?? KINDS_OF_TIME[0];
  const chosen = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const field = form.get("field");
    const [from, to] = inOrder(form.get("from"), form.get("to"), Date.parse);
    const terms = [from && `${field}>=${moment(from, 0)}`, to && `${field}<${moment(to, 1)}`].filter(Boolean);
    onAsk(replaced(query, KINDS_OF_TIME.map(([name]) => name), terms));
  };
  return html`
    <form class="own-amount own-time" onSubmit=${chosen}>
      <select name="field" aria-label="Which time">${KINDS_OF_TIME.map(([name, title]) => html`<option key=${name} value=${name} selected=${name === which}>${title}</option>`)}</select>
      <label>from <input name="from" type="date" aria-label="From this day" value=${dayOf(said(query, which, ">=", ">"), 0)} /></label>
      <label>to <input name="to" type="date" aria-label="To this day" value=${dayOf(said(query, which, "<"), 1)} /></label>
      <button class="button">Set</button>
    </form>`;
}
