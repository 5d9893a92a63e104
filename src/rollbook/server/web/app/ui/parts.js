// The small parts of which pages are made.

import { html } from "../html.js";
import { count, exact, fullTime, money, moneyTitle, roughly, isUnpriced, time, tokens } from "../format.js";
import { now } from "../clock.js";

// A part of a page under a heading. aside: what stands at the heading's right.
export const Section = ({ title, note, aside, kind = "", children }) => html`
  <section class=${`section ${kind}`} aria-label=${title}>
    <div class="section-head"><h2>${title}</h2>${note && html`<p class="section-note">${note}</p>`}${aside && html`<div class="section-aside">${aside}</div>`}</div>
    ${children}
  </section>`;

// One figure: what it is, how much, and what it leaves out.
export const Card = ({ title, value, href, note, children }) => html`
  <div class="card">
    <h2 class="card-title">${title}</h2>
    <p class="card-value">${href ? html`<a href=${href}>${value}</a>` : value}</p>
    ${children}
    ${note && html`<p class="card-note">${note}</p>`}
  </div>`;

const STATES = {
  running: "Running", completed: "Completed", failed: "Failed", abandoned: "Abandoned", cancelled: "Cancelled", unknown: "Unknown",
};

// A session's effective status, told apart by shape and word as well as by colour.
export const Status = ({ name, quiet = false }) => html`
  <span class=${`status status-${STATES[name] ? name : "unknown"}`}><i aria-hidden="true"></i>${quiet ? html`<span class="unseen">${STATES[name] ?? name}</span>` : STATES[name] ?? name}</span>`;

// tone: "" | "accent" | "good" | "bad" | "warn"
export const Badge = ({ tone = "", title, children }) => html`<span class=${`badge ${tone && `badge-${tone}`}`} title=${title}>${children}</span>`;

// <${Money} of=${session} /> for anything with cost_nano_usd, calls and unpriced_calls.
export function Money({ of, nano = of.cost_nano_usd, calls = of?.calls ?? 0, unpriced = of?.unpriced_calls ?? 0 }) {
  const none = isUnpriced(nano, calls, unpriced);
  return html`<span class=${none ? "money money-none" : "money"} title=${moneyTitle(nano, calls, unpriced)}>${money(nano, calls, unpriced)}${
    unpriced > 0 && !none ? html`<span class="money-more" aria-label=", some calls without a price">+</span>` : ""}</span>`;
}

export const Tokens = ({ value }) => html`<span title=${`${count(value)} tokens`}>${tokens(value)}</span>`;

// A time in the viewer's zone; the exact one in UTC for who hovers.
export const Time = ({ at, whole = false }) => (at
  ? html`<time datetime=${at} title=${exact(at)}>${whole ? fullTime(at) : time(at)}</time>`
  : html`<span class="muted">–</span>`);

// How long ago something was; it goes on by itself.
export const Ago = ({ at, after = " ago" }) => html`
  <time datetime=${at} title=${exact(at)}>${roughly((now.value - Date.parse(at)) / 1000)}${after}</time>`;

// A share of something as a bar; the figure stands beside it.
export const Bar = ({ share, tone = "" }) => html`
  <svg class=${`bar ${tone}`} viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect width=${Math.max(share > 0 ? 0.75 : 0, share * 100)} height="4" /></svg>`;

// A table. columns: { key, title, right, cell: (row) => markup, sort, hint, kind }; rows; keyOf: (row) => key.
// sort: { key, descending } and onSort(key) where columns with sort: true are to be sorted by their heads.
export function Table({ columns, rows, keyOf, sort, onSort, label, kind = "", rowKind }) {
  return html`
    <div class="table-wrap"><table class=${`table ${kind}`} aria-label=${label}>
      <thead><tr>${columns.map((column) => html`
        <th key=${column.key} scope="col" class=${cellKind(column)} title=${column.hint} aria-sort=${sorted(column, sort)}>
          ${column.sort && onSort ? html`<button type="button" onClick=${() => onSort(column.key)}>${column.title}</button>` : column.title}</th>`)}</tr></thead>
      <tbody>${rows.map((row) => html`
        <tr key=${keyOf(row)} class=${rowKind?.(row)}>${columns.map((column) => html`
          <td key=${column.key} class=${cellKind(column)}>${column.cell(row)}</td>`)}</tr>`)}</tbody>
    </table></div>`;
}

const cellKind = (column) => [column.right && "right", column.kind].filter(Boolean).join(" ") || null;

function sorted(column, sort) {
  if (!column.sort || !sort) return null;
  if (sort.key !== column.key) return "none";
  return sort.descending ? "descending" : "ascending";
}

// One of a few: options are [value, title].
export const Choice = ({ label, options, value, onChoose }) => html`
  <div class="segments" role="group" aria-label=${label}>${options.map(([name, title]) => html`
    <button key=${name} type="button" aria-pressed=${String(name === value)} onClick=${() => onChoose(name)}>${title}</button>`)}</div>`;
