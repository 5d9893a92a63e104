// The table itself: as high as its rows, of which those that are seen are drawn.

import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../html.js";
import { count, plural, roughly } from "../format.js";
import { now } from "../clock.js";
import { userName } from "../people.js";
import { oneLine } from "../text.js";
import { Money, Status } from "../ui/parts.js";
import { followLink } from "../ui/session.js";
import { TitleLink } from "./columns.js";
import { keyOf } from "./rows.js";
import { select, selected } from "./selected.js";

const BESIDE = 10; // rows drawn above and below what is seen
const STEP = 5; // rows are exchanged so many at a time
const MOST_DRAWN = 200; // also where all of it could be seen, as on paper
export const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
export const rowHeight = (small) => Math.round((small ? 3.75 : 2.25) * rem());

// view: { scroller (a ref), active (the row that the keyboard is at, or null), fresh (keys that were let in last),
// moved (told where the scroll bar is) }
export function SessionTable({ rows, columns, small, sort, onSort, view, onActive, busy }) {
  const high = rowHeight(small);
  const [[first, last], setWindow] = useState([0, 40]);
  const drawn = rows.drawn.value;
  const height = rows.height;

  const look = () => {
    const place = view.scroller.current;
    if (!place) return;
    const { scrollTop, clientHeight } = place; // (read before anything is drawn: afterwards all would be laid out for it)
    view.moved(scrollTop);
    const top = Math.floor(scrollTop / high);
    const bottom = Math.ceil((scrollTop + clientHeight) / high);
    rows.look(Math.min(top, Math.max(0, rows.height - 1)), Math.min(bottom, top + MOST_DRAWN));
    const from = Math.max(0, Math.floor((top - BESIDE) / STEP) * STEP);
    const to = Math.min(from + MOST_DRAWN, Math.ceil((bottom + BESIDE) / STEP) * STEP);
    setWindow((before) => (before[0] === from && before[1] === to ? before : [from, to]));
  };

  useLayoutEffect(look, [rows, drawn, high]);
  useEffect(() => {
    const watching = new ResizeObserver(look);
    watching.observe(view.scroller.current);
    return () => watching.disconnect();
  }, [rows, high]);

  const from = Math.min(first, Math.max(0, height - 1));
  const to = Math.min(last, height);
  const places = Array.from({ length: Math.max(0, to - from) }, (_, turn) => from + turn);
  const span = small ? 2 : columns.length + 1;
  return html`
    <div class="list-rows" ref=${view.scroller} onScroll=${look} role="region" aria-label="Sessions" tabindex="0">
      <table class=${`sessions-table ${small ? "two-lines" : ""} ${busy ? "stale" : ""}`} aria-label="Sessions" aria-busy=${busy ? "true" : null}
        style=${small ? {} : { minWidth: rems(widest(columns)) }}
        aria-rowcount=${rows.whole === null ? -1 : rows.whole + 1} aria-colcount=${span}>
        ${small ? html`<${SmallHead} />` : html`<${Head} columns=${columns} sort=${sort} onSort=${onSort} />`}
        <${Gap} rows=${from} high=${high} span=${span} />
        <tbody>${places.map((place) => html`
          <${Row} key=${place} place=${place} session=${rows.at(place)} failure=${rows.failure(place)} columns=${columns} small=${small} high=${high}
            gone=${rows.isGone(place)} active=${view.active === place} onActive=${onActive} rows=${rows} fresh=${view.fresh} />`)}</tbody>
        <${Gap} rows=${height - Math.max(from, to)} high=${high} span=${span} />
      </table>
    </div>`;
}

// What stands for the rows that are not drawn.
const Gap = ({ rows, high, span }) => rows > 0 && html`
  <tbody class="rows-gap" aria-hidden="true"><tr style=${{ height: `${rows * high}px` }}><td colspan=${span}></td></tr></tbody>`;

// As wide as what stands in it needs, and some more where there is room.
const rems = (wide) => `calc(var(--room, 1) * ${wide}rem)`;
const widest = (columns) => columns.reduce((sum, column) => sum + column.wide, 1.5);

function Head({ columns, sort, onSort }) {
  return html`
    <colgroup>
      <col style=${{ width: "1.5rem" }} />
      ${columns.map((column) => html`<col key=${column.key} style=${column.fill ? {} : { width: column === columns.at(-1) ? `calc(${rems(column.wide)} + var(--bare))` : rems(column.wide) }} />`)}
    </colgroup>
    <thead><tr aria-rowindex="1">
      <th scope="col" class="row-pick"><span class="unseen">Selected</span></th>
      ${columns.map((column) => html`
        <th key=${column.key} scope="col" class=${kindOf(column, columns)} title=${column.hint} aria-sort=${sortedBy(column, sort)}>
          ${column.sort ? html`<button type="button" onClick=${() => onSort(column.sort)}>${column.title}</button>` : column.title}</th>`)}
    </tr></thead>`;
}

const kindOf = (column, columns) => [column.right && "right", column === columns[0] && "beside-pick"].filter(Boolean).join(" ") || null;

const SmallHead = () => html`<colgroup><col /><col style=${{ width: "7rem" }} /></colgroup><thead class="unseen"><tr aria-rowindex="1"><th scope="col">Session</th><th scope="col">Cost and time</th></tr></thead>`;

function sortedBy(column, sort) {
  if (!column.sort) return null;
  if (column.sort !== sort.by) return "none";
  return sort.ascending ? "ascending" : "descending";
}

// (Drawn anew only when what it is given is another: all that it shows is given.)
function Row({ place, session, failure, columns, small, high, gone, active, onActive, rows, fresh }) {
  const key = session ? keyOf(session) : null;
  const chosen = key !== null && selected.value.has(key);
  const isNew = key !== null && fresh.has(key);
  return useMemo(() => {
    const kind = ["srow", active && "here", chosen && "picked", gone && "removed", isNew && "let-in"].filter(Boolean).join(" ");
    const style = { height: `${high}px` };
    if (!session) return html`<tr class="srow not-there" aria-rowindex=${place + 2} style=${style}><td colspan=${small ? 2 : columns.length + 1}><${Missing} failure=${failure} rows=${rows} place=${place} /></td></tr>`;
    const pick = html`<input type="checkbox" checked=${chosen} aria-label=${`Select ${session.title || session.session_id}`} onChange=${() => select(session, !chosen)} />`;
    const cells = small ? html`<${SmallCells} session=${session} />` : html`
      <td class="row-pick"><label class="pick-area">${pick}</label></td>
      ${columns.map((column) => html`<td key=${column.key} class=${kindOf(column, columns)}>${column.cell(session)}</td>`)}`;
    return html`<tr class=${kind} aria-rowindex=${place + 2} style=${style} data-place=${place} onClick=${(event) => { onActive(place); followLink(event); }}>${cells}</tr>`;
  }, [session, failure, columns, small, high, active, chosen, gone, isNew, place]);
}

function Missing({ failure, rows, place }) {
  if (!failure) return html`<i class="row-wait" aria-hidden="true"></i><span class="unseen">On its way</span>`;
  if (place % rows.size) return html`<span class="muted">Not loaded</span>`;
  return html`<span class="not-loaded">These rows could not be loaded: ${failure.message} <button type="button" class="button" onClick=${() => rows.again()}>Try again</button></span>`;
}

// On a small screen a session has two lines.
function SmallCells({ session }) {
  const ago = roughly((now.value - Date.parse(session.last_activity_at)) / 1000);
  return html`
    <td class="small-main"><span class="small-title"><${Status} name=${session.effective_status} quiet=${true} /><${TitleLink} session=${session} /></span>
      <span class="small-more clip"><bdi>${oneLine(session.agent ?? "no agent", 120)}</bdi> · <bdi>${userName(session.user_id)}</bdi>${session.error_count > 0 && ` · ${plural(session.error_count, "error")}`}</span></td>
    <td class="small-side right"><${Money} of=${session} /><span class="small-more">${ago} ago</span></td>`;
}

// How much the table holds, and as far as that is known.
export function total(rows) {
  if (!rows.loaded) return "";
  if (rows.whole !== null) return plural(rows.whole, "session");
  return `${count(rows.total)}+ sessions`;
}
