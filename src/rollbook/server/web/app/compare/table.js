// Sessions side by side: a column for each, the first one being that with which the others are compared.

import { html } from "../html.js";
import { sessionUrl } from "../state.js";
import { Icon } from "../ui/icon.js";
import { Bar } from "../ui/parts.js";
import { titleOf } from "../ui/session.js";
import { change, groupsOf } from "./rows.js";

// only: "differences" leaves out lines that say the same of all of them.
export function Comparison({ all, only, onRemove, onFirst }) {
  const groups = groupsOf(all).map((group) => shownOf(group, only)).filter(Boolean);
  return html`
    <div class="compared-wrap" tabindex="0" role="region" aria-label="Sessions side by side">
      <table class=${all.length > 3 ? "compared compared-many" : "compared"}>
        <thead><tr>
          <td class="compared-corner"></td>
          ${all.map((one, place) => html`<${Head} key=${one.name} one=${one} first=${place === 0} alone=${all.length === 1} onRemove=${onRemove} onFirst=${onFirst} />`)}
          <td class="compared-rest"></td>
        </tr></thead>
        ${groups.map((group) => html`<${Group} key=${group.key} group=${group} columns=${all.length} />`)}
      </table>
      ${groups.length === 0 && html`<p class="muted compared-none">They do not differ.</p>`}
    </div>`;
}

function shownOf(group, only) {
  if (only !== "differences") return group;
  const rows = group.rows.filter((row) => row.differs);
  return rows.length ? { ...group, rows } : null;
}

function Head({ one, first, alone, onRemove, onFirst }) {
  const title = one.error ? one.id : titleOf(one.session);
  return html`
    <th scope="col" class=${first ? "compared-head compared-first" : "compared-head"}>
      <div class="compared-tools">
        ${first ? html`<span class="muted">${!alone && "Compared with"}</span>`
          : html`<button type="button" class="quiet" title="Compare the others with this one" onClick=${() => onFirst(one.name)}>Put first</button>`}
        <button type="button" class="icon-button" aria-label=${`Leave out: ${title}`} title="Leave out" onClick=${() => onRemove(one.name)}><${Icon} name="close" /></button>
      </div>
      ${one.error
        ? html`<p class="compared-title">${one.id}</p><p class="compared-wrong" role="alert">${one.error.missing ? "There is no such session, or it is not yours to see." : one.error.message}</p>`
        : html`<a class="compared-title" href=${sessionUrl(one.user, one.id)} title=${`${title}\n${one.id}`}>${title}</a>`}
    </th>`;
}

const Group = ({ group, columns }) => html`
  <tbody>
    <tr class="compared-group"><th scope="rowgroup" colspan=${columns + 1}><span>${group.title}</span>${group.note && html`<small>${group.note}</small>`}</th><td class="compared-rest"></td></tr>
    ${group.rows.map((row) => html`<${Line} key=${row.key} row=${row} />`)}
  </tbody>`;

function Line({ row }) {
  const sizes = row.cells.map((cell) => cell?.size ?? 0);
  const most = Math.max(...sizes);
  const [first] = row.cells;
  const alone = row.cells.length === 1;
  const kind = ["compared-line", !alone && (row.differs ? "differs" : "alike"), row.inner && "inner", row.worded && "worded"].filter(Boolean).join(" ");
  return html`
    <tr class=${kind}>
      <th scope="row" title=${row.hint}><span class=${row.code ? "clip mono" : "clip"}>${row.title}</span>${row.differs && html`<span class="unseen">, differs</span>`}</th>
      ${row.cells.map((cell, place) => html`<td key=${place}>${cell && html`<${Cell} cell=${cell} first=${place ? first : null} share=${row.drawn && !alone && most > 0 ? sizes[place] / most : null} />`}</td>`)}
      <td class="compared-rest"></td>
    </tr>`;
}

function Cell({ cell, first, share }) {
  const more = change(cell, first);
  if (cell.shown === null) return html`<div class="cell"><span class="muted">–</span></div>`;
  return html`
    <div class="cell" title=${cell.title}>
      ${cell.aside && html`<small class=${cell.badAside ? "bad" : "muted"}>${cell.aside}</small>`}
      ${more && html`<small class="change">${more}</small>`}
      <span class=${["clip", cell.bad && "bad", cell.muted && "muted"].filter(Boolean).join(" ")}>${cell.shown}${cell.more ? html`<span class="money-more" aria-label=", some calls without a price">+</span>` : ""}</span>
    </div>
    ${share !== null && cell.size !== null && html`<${Bar} share=${share} />`}`;
}
