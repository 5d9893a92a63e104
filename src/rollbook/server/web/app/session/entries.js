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
const SELDOM_MS = 2000;
const CHANGEABLE = 100; // answers, the newest, that are looked at when one may be another by now
const SAID = ["question", "answer", "context"];
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
    Object.assign(this, { userId, sessionId, tell, mark: null, items: [], known: new Map(), total: null, busy: false, wanted: false, timer: 0, later: 0, bound: BY_ITSELF, late: false, compared: -SELDOM_MS, fresh: new Set() });
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
      while (await this.page() && this.items.length < this.bound);
      if (this.late) await this.compare();
      this.late = this.late || this.whole;
    } catch (why) {
      error = why;
    }
    this.busy = false;
    if (this.abort.signal.aborted) return;
    this.show(error);
    if (this.wanted && !error) this.soon();
  }

  ask(rest, params) {
    return get(sessionPath(this.sessionId, rest), { user_id: this.userId, ...params }, { signal: this.abort.signal });
  }

  async page() {
    const found = await this.ask("/timeline", { limit: this.mark === null ? FIRST : MORE, after: this.mark, brief: BRIEF });
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

  // Entries that are here already may have been changed or removed: answers alone can be, one by one.
  async compare() {
    if (this.whole && this.total < this.items.length) return this.anew();
    const some = this.items.filter((item) => item.kind === "qa").slice(-CHANGEABLE);
    if (!some.length) return undefined;
    const rest = this.compared + SELDOM_MS - performance.now();
    if (rest > 0) {
      this.later ||= setTimeout(() => {
        this.later = 0;
        this.read();
      }, rest);
      return undefined;
    }
    this.compared = performance.now();
    const { qas } = await this.ask("/qa", { last_n: CHANGEABLE });
    const told = new Map(qas.map((qa) => [`qa/${qa.qa_id}`, qa]));
    for (const { key, body, entry } of some) {
      const qa = told.get(key);
      if (qa && !same(body, qa, entry.cut)) this.change(key, { ...body, ...picked(qa, [...SAID, ...FEEDBACK]) }, false);
    }
    return undefined;
  }

  // Something is gone, or the session was begun anew: all of it is read again, and what is as it was stays.
  async anew() {
    const entries = [];
    let after = null;
    for (let more = true; more;) {
      const found = await this.ask("/timeline", { limit: MORE, after, brief: BRIEF });
      entries.push(...found.entries);
      Object.assign(this, { mark: found.mark, total: found.total });
      after = found.mark;
      more = found.has_more;
    }
    this.items = entries.map((entry) => {
      const item = this.known.get(keyOf(entry));
      return item?.entry.created_at === entry.created_at ? item : itemOf(entry);
    });
    this.known = new Map(this.items.map((item) => [item.key, item]));
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
    const item = this.known.get(key);
    if (!item) return;
    const made = itemOf({ ...item.entry, body, cut: cut ?? item.entry.cut });
    this.known.set(key, made);
    this.items = this.items.map((each) => (each.key === key ? made : each));
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
    clearTimeout(this.later);
    this.abort.abort();
  }
}

const picked = (from, names) => Object.fromEntries(names.map((name) => [name, from[name]]));

// Whether an answer is as it is shown; of one that was shortened, as far as that can be told.
function same(body, qa, cut) {
  const alike = (name) => {
    const [shown, now] = [body[name] ?? null, qa[name] ?? null];
    return shown === now || (cut && typeof shown === "string" && typeof now === "string" && now.startsWith(shown.slice(0, -1)));
  };
  return FEEDBACK.every((name) => (body[name] ?? null) === qa[name]) && SAID.every(alike);
}
