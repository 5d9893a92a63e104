// What a page shows of the server: asked for when it is needed, kept while it is asked for anew, live.

import { useEffect, useRef, useState } from "./html.js";
import { get } from "./api.js";
import { onChange } from "./live.js";

const OFTEN_MS = 700; // so often at most is anything asked for again
const REST = 8; // what takes long to answer rests so many times as long before it is asked for again
const RESTED_MS = 30000; // and no longer: perhaps it was the machine that slept
const AHEAD_MS = 3000; // of resting that may be owed: what changes once is shown soon, also where a machine is busy

// const asked = useAnswer("/api/v1/sessions/stats", { since: since.value }, { live: true });
// asked.data (null before the first answer), asked.error (Failed or null), asked.loading, asked.again()
//
// live: true asks again after every change, a function only after those of which it says so, (changes) => boolean,
// where changes is null for "anything may have changed". path: null asks for nothing. every: milliseconds, or what tells
// them of the data that came.
// What was there stays while new parameters are asked for (asked.stale is true then); and when asking fails, too.
export function useAnswer(path, params = {}, { live = false, read = get, every = OFTEN_MS } = {}) {
  const name = path === null ? null : `${path} ${JSON.stringify(params)}`;
  const [held, setHeld] = useState({ name: null, data: null, error: null, loading: path !== null });
  const work = useRef(null);

  useEffect(() => {
    if (name === null) return undefined;
    const own = worker(name, (signal) => read(path, params, { signal }), setHeld, every);
    work.current = own;
    own.run();
    const stop = live ? onChange((changes) => (live === true || live(changes)) && own.soon()) : null;
    return () => {
      own.end();
      stop?.();
    };
  }, [name]);

  return { ...held, stale: held.name !== name && held.data !== null, again: () => work.current?.run() };
}

function worker(name, load, setHeld, every) {
  const own = { abort: null, timer: 0, busy: false, wanted: false, ended: false, last: 0, rest: OFTEN_MS, owed: 0 };
  own.run = async () => {
    if (own.busy) {
      own.wanted = true;
      return;
    }
    own.busy = true;
    own.wanted = false;
    const began = performance.now();
    setHeld((held) => (held.loading ? held : { ...held, loading: true }));
    own.abort = new AbortController(); // one for each: a signal keeps what was fetched under it
    const outcome = await load(own.abort.signal).then((data) => ({ data, error: null }), (error) => ({ error }));
    own.busy = false;
    own.owed = Math.max(0, own.owed - (began - own.last));
    own.last = performance.now();
    own.owed = Math.min(RESTED_MS, own.owed + REST * (own.last - began));
    own.rest = Math.max(typeof every === "function" ? every(outcome.data) : every, own.owed - AHEAD_MS);
    if (own.ended) return;
    // What was there for other parameters is no answer to these.
    setHeld((held) => ({ name, data: held.name === name ? held.data : null, ...outcome, loading: false }));
    if (own.wanted) own.soon();
  };
  own.soon = () => {
    if (own.timer || own.ended) return;
    const wait = Math.max(0, own.last + own.rest - performance.now());
    own.timer = setTimeout(() => {
      own.timer = 0;
      own.run();
    }, wait);
  };
  own.end = () => {
    own.ended = true;
    clearTimeout(own.timer);
    own.abort?.abort();
  };
  return own;
}

// Whether changes are about one session.
export const about = (userId, sessionId) => (changes) =>
  changes === null || changes.some((each) => each.session_id === sessionId && (!userId || each.user_id === userId));
