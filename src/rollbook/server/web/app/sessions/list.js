// The list that is shown: that of before stays until the first page of the next is there; "back" finds it as it was.

import { html, useEffect, useRef, useState } from "../html.js";
import { count } from "../format.js";
import { Rows } from "./rows.js";
import { rowHeight } from "./table.js";
import { useFresh } from "./fresh.js";

const KEPT_MS = 600_000;
const MANY = { last_activity_at: 100, effective_status: 100 }; // rows of a page; where the server has to sort all, it is asked seldom
const SMALL = "(max-width: 48rem)";

let latest = null; // the list that was made last, perhaps still shown: when one comes back at once, the next begins before it ends

const made = (params) => new Rows(params, { size: MANY[params.order_by] ?? 500 });
const nameOf = (params) => JSON.stringify(params);

// { rows (asked for), shown (those, or the ones before while they are on their way), busy, error, params, view, fresh, … }
export function useList(params) {
  const name = nameOf(params);
  const [turn, setTurn] = useState(0);
  const [, redraw] = useState(0);
  const [active, setActive] = useState(null);
  const scroller = useRef(null);
  const held = useRef(null);
  if (held.current === null) {
    held.current = { ...remembered(name, params), turn: 0, let_in: new Set(), shown: null };
    latest = held.current;
  }
  const own = held.current;
  if (own.name !== name || own.turn !== turn) {
    own.rows.close();
    Object.assign(own, { name, turn, rows: made(params), top: 0, let_in: own.turn !== turn ? own.let_in : new Set() });
  }
  own.shown ??= own.rows;
  own.rows.drawn.value; // (read, so that whoever uses this is drawn anew with them)
  if (own.rows.loaded && own.shown !== own.rows) own.shown = own.rows;
  const { rows } = own;

  useEffect(() => {
    rows.fetch();
    return undefined;
  }, [rows]);
  // The new list begins at its top, the one to which somebody came back where it was.
  useEffect(() => {
    own.settled = true;
    if (scroller.current) scroller.current.scrollTop = own.top;
    setActive(own.active ?? null);
    own.active = null;
  }, [own.shown]);
  useEffect(() => () => {
    own.left_at = Date.now();
    own.rows.close();
  }, []);
  own.active_now = active;

  const fresh = useFresh(own.shown);
  const letIn = () => {
    own.let_in = fresh.keys;
    setTurn(turn + 1);
  };
  const again = () => {
    rows.again();
    redraw((value) => value + 1);
  };
  return {
    rows, shown: own.shown, busy: own.shown !== rows, error: rows.error, params, fresh, letIn, again, setActive,
    view: { scroller, active, fresh: own.let_in, moved: (top) => { own.top_now = top; } },
  };
}

function remembered(name, params) {
  const rows = latest?.shown;
  if (!rows?.loaded || latest.name !== name || Date.now() - latest.left_at > KEPT_MS) return { name, rows: made(params), top: 0 };
  // (Gone before it was scrolled to where it was: then it is still there that somebody comes back to.)
  const { top, active } = latest.settled ? { top: latest.top_now ?? 0, active: latest.active_now } : latest;
  return { name, rows, top, active };
}

export function useSmall() {
  const [small, setSmall] = useState(() => matchMedia(SMALL).matches);
  useEffect(() => {
    const asked = matchMedia(SMALL);
    const turned = () => setSmall(asked.matches);
    asked.addEventListener("change", turned);
    return () => asked.removeEventListener("change", turned);
  }, []);
  return small;
}

// Brings a row into sight.
export function reveal(list, place, small) {
  const box = list.view.scroller.current;
  const high = rowHeight(small);
  const head = small ? 0 : high;
  const top = place * high;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + high > box.scrollTop + box.clientHeight - head) box.scrollTop = top + high - box.clientHeight + head;
  list.view.moved(box.scrollTop); // (the browser tells of it in the next frame, when one may be gone)
}

export function Announced({ list }) {
  const { keys, more } = list.fresh;
  const says = keys.size ? `${count(keys.size)}${more ? "+" : ""} new ${keys.size === 1 ? "session" : "sessions"}` : "";
  return html`<div class="announced" role="status">${says && html`
    <button type="button" class="announce" onClick=${list.letIn} title="Show them">${says}</button>`}</div>`;
}
