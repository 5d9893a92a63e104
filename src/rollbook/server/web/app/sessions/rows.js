// The rows of the table: a list of which only the pages near what one looks at are held.
//
// A page is asked for by the cursor with which the page before it ended. Where none is known, because somebody
// jumped, by an offset, which the server counts out: that is for as far as REACH only.

import { signal } from "../html.js";
import { get } from "../api.js";

export const REACH = 20_000; // rows to which one may jump
export const MOST = 400_000; // rows that a scroll bar can tell apart, and a browser can draw
const HELD = 120; // pages that are kept
const AHEAD = 1; // pages fetched before they are seen
const AT_ONCE = 2;
const SETTLED_MS = 90; // a jump that goes on is not worth asking for
const AGAIN_MS = 4000;
const LIST = "/api/v1/sessions";

export const keyOf = (session) => `${session.user_id} ${session.session_id}`;

export class Rows {
  // params: what the list is asked for, by the names of the API
  constructor(params, { size = 100 } = {}) {
    this.params = params;
    this.size = size;
    this.drawn = signal(0); // counts what changed
    this.total = null;
    this.exact = true;
    this.error = null; // why the first page is missing
    this.failed = new Map(); // other pages: { error, at }
    this.newest = ""; // the latest start that the first page held
    this.pages = new Map();
    this.places = new Map(); // where a session stands, by its key
    this.removed = new Set();
    this.starts = new Map([[0, null]]);
    this.end = null;
    this.furthest = 0;
    this.wanted = [0];
    this.seen = [0, 0];
    this.asking = new Set();
    this.waiting = 0;
    this.abort = new AbortController();
  }

  // How many rows the table is high: honest where that can be, else as far as one may go, and one page more.
  get height() {
    if (this.end !== null) return this.end;
    if (this.total === null) return 0;
    const sure = this.exact ? Math.min(this.total, REACH) : this.total;
    return Math.min(this.exact ? this.total : Infinity, MOST, Math.max(sure, this.furthest + this.size));
  }

  get loaded() { return this.total !== null; }
  get whole() { return this.end ?? (this.exact ? this.total : null); }

  at(place) { return this.pages.get(Math.floor(place / this.size))?.[place % this.size] ?? null; }
  failure(place) { return this.failed.get(Math.floor(place / this.size))?.error ?? null; }
  isGone(place) {
    const session = this.removed.size > 0 && this.at(place);
    return Boolean(session) && this.removed.has(keyOf(session));
  }

  find(key) {
    const place = this.places.get(key);
    return place === undefined ? null : this.at(place);
  }

  // What is looked at: those pages are fetched, the nearest first, and those after them.
  look(first, last) {
    const from = Math.floor(first / this.size);
    const to = Math.floor(Math.max(first, last) / this.size);
    this.seen = [first, last];
    this.wanted = [];
    for (let page = from; page <= to + AHEAD; page += 1) this.wanted.push(page);
    if (from > 0) this.wanted.push(from - 1);
    const jump = this.wanted.some((page) => this.missing(page) && !this.starts.has(page));
    clearTimeout(this.waiting);
    if (jump) this.waiting = setTimeout(() => this.fetch(), SETTLED_MS);
    else this.fetch();
  }

  missing(page) {
    if (this.pages.has(page) || this.asking.has(page) || this.error) return false;
    if (this.end !== null && page * this.size >= this.end) return false;
    if (this.loaded && page > 0 && page * this.size >= this.height) return false;
    const failed = this.failed.get(page);
    return !failed || performance.now() - failed.at > AGAIN_MS;
  }

  fetch() {
    for (const page of this.wanted) {
      if (this.asking.size >= AT_ONCE) return;
      if (!this.missing(page)) continue;
      // What comes after a page that is being asked for is asked for by its cursor then.
      if (!this.starts.has(page) && (this.asking.has(page - 1) || page * this.size > REACH)) continue;
      this.ask(page);
    }
  }

  again() {
    this.error = null;
    this.failed.clear();
    this.changed();
    this.fetch();
  }

  async ask(page) {
    this.asking.add(page);
    try {
      const answer = await get(LIST, { ...this.params, limit: this.size, ...this.beginning(page) }, { signal: this.abort.signal });
      this.asking.delete(page);
      this.take(page, answer);
    } catch (error) {
      this.asking.delete(page);
      if (error.name === "AbortError") return;
      if (page === 0) this.error = error;
      else this.failed.set(page, { error, at: performance.now() });
    }
    this.changed();
    this.fetch();
  }

  take(page, answer) {
    this.error = null;
    this.failed.delete(page);
    this.total = answer.total;
    this.exact = answer.total_exact;
    if (page === 0) this.newest = answer.sessions.reduce((latest, each) => (each.started_at > latest ? each.started_at : latest), "");
    this.pages.set(page, answer.sessions);
    const first = page * this.size;
    answer.sessions.forEach((session, turn) => this.places.set(keyOf(session), first + turn));
    this.furthest = Math.max(this.furthest, first + answer.sessions.length);
    if (answer.has_more) this.starts.set(page + 1, answer.next_cursor);
    else if (answer.sessions.length || page === 0) this.end = first + answer.sessions.length;
    else this.end = Math.min(this.end ?? first, first); // it became shorter meanwhile
    if (this.pages.size > HELD) this.forget();
  }

  // Pages far away are let go of; the cursors that lead to them are kept.
  forget() {
    const here = this.wanted[0] ?? 0;
    const far = [...this.pages.keys()].sort((left, right) => Math.abs(right - here) - Math.abs(left - here));
    for (const page of far.slice(0, this.pages.size - HELD)) {
      for (const session of this.pages.get(page)) this.places.delete(keyOf(session));
      this.pages.delete(page);
    }
  }

  // The pages that are seen, asked for anew: each row changes where it stands. Answers with the keys of those that are seen
  // and were not in the answers.
  async refresh(signal) {
    const [first, last] = this.seen;
    const left = new Set();
    for (let place = first; place <= last; place += 1) if (this.at(place)) left.add(keyOf(this.at(place)));
    for (let page = Math.floor(first / this.size); page <= Math.floor(last / this.size); page += 1) {
      if (!this.pages.has(page) || !(this.starts.has(page) || page * this.size <= REACH)) continue;
      const answer = await get(LIST, { ...this.params, limit: this.size, ...this.beginning(page) }, { signal });
      for (const session of answer.sessions) {
        this.put(session);
        left.delete(keyOf(session));
      }
    }
    return left;
  }

  beginning(page) {
    const cursor = this.starts.get(page);
    return cursor ? { cursor } : { offset: page ? page * this.size : null };
  }

  // A session as it is now, in the place where it stands; whether it stands anywhere.
  put(session) {
    const place = this.places.get(keyOf(session));
    const page = this.pages.get(Math.floor(place / this.size));
    if (place === undefined || !page) return false;
    const before = page[place % this.size];
    const next = {};
    for (const name of Object.keys(before)) next[name] = name in session ? session[name] : before[name];
    if (JSON.stringify(next) !== JSON.stringify(before)) page[place % this.size] = next;
    return true;
  }

  drop(key) {
    if (this.places.has(key)) this.removed.add(key);
  }

  changed() { this.drawn.value = this.drawn.peek() + 1; }

  close() {
    clearTimeout(this.waiting);
    this.abort.abort();
    this.abort = new AbortController(); // they may be shown for longer, or again
  }
}
