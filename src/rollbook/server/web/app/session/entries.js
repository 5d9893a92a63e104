// The entries of a session: the first ones at once, the others behind them, then what is written while one reads.

import { useEffect, useState } from "../html.js";
import { get, sessionPath } from "../api.js";
import { about } from "../asking.js";
import { onChange } from "../live.js";
import { itemOf, keyOf } from "./items.js";

const FIRST = 150; // entries: what fills the screen
const MORE = 2500;
export const BRIEF = 3000; // characters of one value; the rest is fetched when it is opened
const BY_ITSELF = 60_000; // entries; more are loaded when they are asked for
const OFTEN_MS = 300;
const JUDGED = 100; // answers, the newest, that are looked at when one may have been judged
const FEEDBACK = ["feedback_score", "feedback_text"];

// { items, total, whole (all are here), fresh (keys that came while one looked), error, loading, more(), again() }
export function useEntries(userId, sessionId) {
  const [held, setHeld] = useState(EMPTY);
  useEffect(() => {
    const own = new Reader(userId, sessionId, setHeld);
    own.read();
    const mine = about(userId, sessionId);
    const stop = onChange((changes) => mine(changes) && told(changes) && own.soon());
    return () => {
      stop();
      own.end();
    };
  }, [userId, sessionId]);
  return held;
}

// Whether something may have been written, and not only metered.
const told = (changes) => changes === null || changes.some((each) => each.kinds.some((kind) => kind === "content" || kind === "removed"));

const EMPTY = { items: [], total: null, whole: false, fresh: new Set(), error: null, loading: true, more: () => {}, again: () => {}, change: () => {} };

class Reader {
  constructor(userId, sessionId, tell) {
    Object.assign(this, { userId, sessionId, tell, mark: null, items: [], known: new Map(), total: null, busy: false, wanted: false, timer: 0, bound: BY_ITSELF, late: false, fresh: new Set() });
    this.abort = new AbortController();
    tell({ ...EMPTY });
  }

  // Read on until nothing is left, or so much is here that nobody may want the rest.
  async read() {
    if (this.busy) {
      this.wanted = true;
      return;
    }
    this.busy = true;
    this.wanted = false;
    let error = null;
    try {
      const before = this.items.length;
      while (await this.page() && this.items.length < this.bound);
      if (this.late && this.items.length === before) await this.changed();
      this.late = this.late || this.whole;
    } catch (why) {
      error = why;
    }
    this.busy = false;
    if (this.abort.signal.aborted) return;
    this.show(error);
    if (this.wanted && !error) this.soon();
  }

  async page() {
    const params = { user_id: this.userId, limit: this.mark === null ? FIRST : MORE, after: this.mark, brief: BRIEF };
    const found = await get(sessionPath(this.sessionId, "/timeline"), params, { signal: this.abort.signal });
    Object.assign(this, { mark: found.mark, total: found.total, whole: !found.has_more });
    const came = found.entries.filter((entry) => !this.known.has(keyOf(entry))).map(itemOf);
    for (const item of came) {
      this.known.set(item.key, item);
      if (this.late) this.fresh.add(item.key);
    }
    if (came.length) this.items = this.items.concat(came);
    this.show(null);
    return found.has_more;
  }

  // Nothing came, and yet something is other than it was: feedback, for answers are all that changes by itself.
  async changed() {
    const some = this.items.filter((item) => item.kind === "qa").slice(-JUDGED);
    if (!some.length) return;
    const { qas } = await get(sessionPath(this.sessionId, "/qa"), { user_id: this.userId, last_n: JUDGED }, { signal: this.abort.signal });
    const told = new Map(qas.map((qa) => [`qa/${qa.qa_id}`, qa]));
    for (const { key, body } of some) {
      const qa = told.get(key);
      const same = !qa || FEEDBACK.every((name) => (body[name] ?? null) === qa[name]);
      if (!same) this.change(key, { ...body, ...Object.fromEntries(FEEDBACK.map((name) => [name, qa[name]])) });
    }
  }

  show(error) {
    this.tell({
      items: this.items, total: this.total, whole: Boolean(this.whole), fresh: this.fresh, error, loading: this.busy,
      more: this.more, again: this.again, change: this.change,
    });
  }

  more = () => {
    this.bound += BY_ITSELF;
    this.read();
  };

  again = () => this.read();

  // An entry has another body by now.
  change = (key, body, cut) => {
    this.items = this.items.map((item) => (item.key === key ? itemOf({ ...item.entry, body, cut: cut ?? item.entry.cut }) : item));
    this.show(null);
  };

  soon() {
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.read();
    }, OFTEN_MS);
  }

  end() {
    clearTimeout(this.timer);
    this.abort.abort();
  }
}
