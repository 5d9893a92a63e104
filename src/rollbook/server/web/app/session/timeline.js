// Conversation and trace on one line of time: what is shown of it, where one is, and how one moves.

import { html, useEffect, useMemo, useRef, useState } from "../html.js";
import { Drafts } from "../drafts.js";
import { go, hash, onLeaving } from "../state.js";
import { count, plural } from "../format.js";
import { Choice } from "../ui/parts.js";
import { Icon } from "../ui/icon.js";
import { Empty, Failure, Loading } from "../ui/states.js";
import { say } from "../ui/toast.js";
import { useFound, useMarks } from "./find.js";
import { anchorOf, filtered } from "./items.js";
import { useKeys } from "./keys.js";
import { Rows } from "./rows.js";
import { Row, guess } from "./row.js";

const keyOf = (item) => item.key;

// of: { user_id, session_id, writes, spent, change }; control.current.go(key) brings an item into sight. complete: all
// items are here that there are.
export function Timeline({ entries, items, complete, of, control, onSight }) {
  const [show, setShow] = useState("all");
  const [text, setText] = useState("");
  const [current, setCurrent] = useState(null);
  const [open, setOpen] = useState(() => new Set());
  const [seen, setSeen] = useState({ first: 0, last: 0, end: true });
  const rows = useRef(null);
  const drafts = useMemo(() => new Drafts(`${of.user_id} ${of.session_id}`), []);
  const place = useRef(null);
  const field = useRef(null);
  const shown = useMemo(() => filtered(items, show), [items, show]);
  const errors = useMemo(() => items.reduce((sum, item) => sum + (item.failed ? 1 : 0), 0), [items]);
  const found = useFound(shown, text, of);
  const bar = useBar(place);
  useMarks(place, text);

  const at = current === null ? -1 : shown.findIndex((item) => item.key === current);
  const toggle = (key, to) => setOpen((old) => turned(old, key, to));
  const move = (to, { how = "near", opened = false, stays = false } = {}) => {
    const item = shown[to];
    if (!item) return;
    setCurrent(item.key);
    if (opened && (item.kind === "step" || item.kind === "other")) toggle(item.key, true);
    followed.current = anchorOf(item.key);
    go(item.entry ? `#${followed.current}` : location.pathname + location.search, { replace: true });
    rows.current.show(to, how);
    if (!stays) focusSoon(place, item.key);
  };
  const followed = useFollowed({ complete, items, shown, show, setShow, setCurrent, rows, place });
  control.current = { go: (key) => {
    const to = shown.findIndex((item) => item.key === key);
    if (to >= 0) move(to, { how: "start" });
    else {
      setShow("all");
      go(`#${anchorOf(key)}`, { replace: true });
    }
  } };

  const nearest = () => (at >= 0 ? at : seen.first - 1);
  const nextOf = (wanted, step) => {
    for (let to = (at >= 0 ? at : seen.first - step) + step; to >= 0 && to < shown.length; to += step) if (wanted(to)) return to;
    return -1;
  };
  const toError = (way) => {
    const to = nextOf((place) => shown[place].failed, way);
    if (to < 0) say(way > 0 ? "There is no error further down." : "There is no error further up.");
    else move(to);
  };
  // Round and round through what is found.
  const isFound = useMemo(() => new Set(found), [found]);
  const toFound = (way) => {
    if (!found.length) return;
    const to = nextOf((place) => isFound.has(place), way);
    move(to >= 0 ? to : found.at(way > 0 ? 0 : -1), { opened: true, stays: document.activeElement === field.current });
  };
  useKeys({
    j: () => move(Math.min(shown.length - 1, nearest() + 1)),
    k: () => move(Math.max(0, nearest() - 1)),
    e: () => toError(1),
    E: () => toError(-1),
    n: () => toFound(1),
    N: () => toFound(-1),
    g: () => move(0, { how: "start" }),
    G: () => move(shown.length - 1, { how: "start" }),
    o: () => current && toggle(current),
    "/": () => field.current.focus(),
  });

  const below = useMemo(() => countFresh(shown, entries.fresh, seen), [shown, seen]);
  const sight = (first, last, end) => {
    onSight?.(shown[first], shown[last]);
    setSeen((old) => (old.first === first && old.last === last && old.end === end ? old : { first, last, end }));
  };
  useKeptPlace(shown, seen, place);
  const rowOf = useMemo(() => ({ ...of, drafts, current, toggle, isOpen: (key) => open.has(key), failed: (error) => say(error.message, "bad") }), [of, current, open]);

  return html`
    <section class="timeline" aria-label="Time line" ref=${place}>
      <div class="bar-line" style=${{ top: `${bar.top}px` }} data-bar>
        <${Choice} label="Show" value=${show} onChoose=${setShow} options=${[["all", "All"], ["talk", "Conversation"], ["tools", "Tools"], ["errors", errors ? `Errors ${count(errors)}` : "Errors"]]} />
        <${Search} field=${field} text=${text} setText=${setText} found=${found} at=${at} whole=${entries.whole} step=${toFound} />
        <p class="bar-count">${counted(entries, shown)}</p>
      </div>
      ${entries.error && html`<${Failure} error=${entries.error} what="Not everything of this session can be shown." again=${entries.again} />`}
      ${shown.length ? html`<${Rows} items=${shown} keyOf=${keyOf} guess=${guess} control=${rows} label="Entries" onSight=${sight} top=${bar.height + bar.top} stamp=${rowOf}
        draw=${(item) => html`<${Row} item=${item} of=${rowOf} />`} />` : html`<${Nothing} entries=${entries} show=${show} setShow=${setShow} />`}
      ${!entries.whole && !entries.loading && !entries.error && html`<p class="rest"><button type="button" class="button" onClick=${entries.more}>Load the rest</button></p>`}
      ${below > 0 && html`<button type="button" class="new-below" onClick=${() => rows.current.show(shown.length - below, "start")}>${`${count(below)} new below`} <${Icon} name="down" /></button>`}
      <p class="unseen" role="status">${below > 0 ? `${plural(below, "new entry", "new entries")} below` : ""}</p>
    </section>`;
}

function counted(entries, shown) {
  if (!entries.whole && entries.total !== null) return `${count(entries.items.length)} of ${count(entries.total)} entries`;
  const all = shown.reduce((sum, item) => sum + (item.entry ? 1 : 0), 0);
  return all === 0 && shown.length ? "" : plural(all, "entry", "entries");
}

function turned(old, key, to) {
  const next = new Set(old);
  if (to ?? !next.has(key)) next.add(key);
  else next.delete(key);
  return next;
}

// How many at the end came while one looked, and were not in sight yet.
function countFresh(shown, fresh, seen) {
  let below = 0;
  for (let place = shown.length - 1; place > seen.last && fresh.has(shown[place].key); place -= 1) below += 1;
  if (seen.end) for (const item of shown) fresh.delete(item.key);
  return seen.end ? 0 : below;
}

// The entry behind the "#" of the address is gone to, as soon as it is here.
function useFollowed({ complete, items, shown, show, setShow, setCurrent, rows, place }) {
  const followed = useRef(null);
  const wanted = hash.value;
  useEffect(() => {
    // What was wanted when this was drawn may be past: whoever moves by keys is quicker than effects are.
    if (!wanted || wanted === "main" || followed.current === wanted || hash.peek() !== wanted) return;
    const name = decoded(wanted);
    const is = (item) => item.key === name || item.entry?.entry_id === name;
    const to = shown.findIndex(is);
    if (to >= 0) {
      followed.current = wanted;
      setCurrent(shown[to].key);
      requestAnimationFrame(() => {
        rows.current?.show(to, "start");
        focusSoon(place, shown[to].key);
      });
    } else if (show !== "all" && items.some(is)) {
      setShow("all");
    } else if (complete) {
      followed.current = wanted;
      say("There is no such entry in this session.", "bad");
    }
  }, [wanted, shown, complete]);
  return followed;
}

// Whoever goes on to another page comes back to where they were: the address that is left says where that was.
function useKeptPlace(shown, seen, place) {
  const top = useRef(null);
  top.current = shown[seen.first] ?? null;
  useEffect(() => onLeaving(() => {
    if (top.current && place.current.getBoundingClientRect().top < 0) go(`#${anchorOf(top.current.key)}`, { replace: true });
  }), []);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// The row has the focus, so that it is read out and Tab goes on from it; it may have to be drawn first.
function focusSoon(place, key) {
  let left = 10;
  const look = () => {
    const row = place.current?.querySelector(`li[data-key="${CSS.escape(key)}"] > article`);
    if (row) row.focus({ preventScroll: true });
    else if ((left -= 1) > 0) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

// How much of the screen's top is covered when one scrolls.
function useBar(place) {
  const [bar, setBar] = useState({ top: 52, height: 48 });
  useEffect(() => {
    const header = document.querySelector(".top");
    const covers = (element) => (element && getComputedStyle(element).position === "sticky" ? element.offsetHeight : 0);
    const measure = () => place.current && setBar((old) => {
      const next = { top: covers(header), height: covers(place.current.querySelector("[data-bar]")) };
      return next.top === old.top && next.height === old.height ? old : next;
    });
    const watching = new ResizeObserver(measure);
    if (header) watching.observe(header);
    watching.observe(place.current.querySelector("[data-bar]"));
    addEventListener("resize", measure);
    return () => {
      watching.disconnect();
      removeEventListener("resize", measure);
    };
  }, []);
  return bar;
}

function Search({ field, text, setText, found, at, whole, step }) {
  const nth = found.indexOf(at);
  const keyed = (event) => {
    if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      setText("");
      event.target.blur();
    } else return;
    event.preventDefault();
  };
  return html`
    <div class="find" role="search"><${Icon} name="search" />
      <input ref=${field} type="search" aria-label="Search in this session" placeholder="Search in it" value=${text} onInput=${(event) => setText(event.target.value)} onKeyDown=${keyed} />
      ${text.trim() && html`<span class="find-count" role="status">${found.length ? (nth < 0 ? count(found.length) : `${count(nth + 1)} of ${count(found.length)}`) : whole ? "none" : "none yet"}</span>
        <button type="button" class="icon-button" aria-label="The one before" disabled=${!found.length} onClick=${() => step(-1)}><${Icon} name="up" /></button>
        <button type="button" class="icon-button" aria-label="The next one" disabled=${!found.length} onClick=${() => step(1)}><${Icon} name="down" /></button>`}
    </div>`;
}

export const KeysHelp = () => html`<p class="keys"><span><kbd>j</kbd> <kbd>k</kbd> next, previous</span><span><kbd>o</kbd> open</span><span><kbd>e</kbd> next error</span>
  <span><kbd>/</kbd> search</span><span><kbd>n</kbd> next found</span><span><kbd>g</kbd> <kbd>G</kbd> beginning, end</span></p>`;

function Nothing({ entries, show, setShow }) {
  if (entries.error) return null;
  if (entries.total === null || (entries.loading && show === "all" && entries.total > 0)) return html`<${Loading} rows=${8} />`;
  if (show === "all") return html`<${Empty} title="Nothing was written down of this session.">Its calls are metered; what was said and done was not kept, or was removed.<//>`;
  return html`<${Empty} title="Nothing of this kind is in it."><button type="button" class="button" onClick=${() => setShow("all")}>Show all</button><//>`;
}
