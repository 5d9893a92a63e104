// What changes while somebody looks at the table: rows change where they stand, and what is new is announced.

import { useEffect, useRef, useState } from "../html.js";
import { get, sessionPath } from "../api.js";
import { onChange } from "../live.js";
import { keyOf } from "./rows.js";

const LIST = "/api/v1/sessions";
const LATEST = 100; // sessions that were active last: those that changed are among them
const SINGLE = 20; // others that are asked for one by one
const OFTEN_MS = 700;

// { count, more (whether there may be more of them), unsure (whether anything may have changed), keys } since the rows were asked for.
const NOTHING = { keys: new Set(), more: false, unsure: false };

export function useFresh(rows) {
  const [fresh, setFresh] = useState(NOTHING);
  const work = useRef({ changed: new Map(), timer: 0, busy: false, unsure: false, last: 0 });

  useEffect(() => {
    const own = { changed: new Map(), timer: 0, busy: false, unsure: false, last: 0, ended: false, abort: new AbortController() };
    work.current = own;
    setFresh(NOTHING);
    const soon = () => {
      if (own.timer || own.busy || own.ended) return;
      own.timer = setTimeout(run, Math.max(0, own.last + OFTEN_MS - performance.now()));
    };
    const run = async () => {
      own.timer = 0;
      own.busy = true;
      const { changed, unsure } = own;
      own.changed = new Map();
      own.unsure = false;
      try {
        await follow(rows, changed, unsure, setFresh, own.abort.signal);
      } catch {
        // what changed is told again by the next change, or by asking anew
      }
      own.busy = false;
      own.last = performance.now();
      if (own.changed.size || own.unsure) soon();
    };
    const stop = onChange((changes) => {
      if (changes === null) own.unsure = true;
      for (const change of changes ?? []) own.changed.set(keyOf(change), change);
      soon();
    });
    return () => {
      own.ended = true;
      clearTimeout(own.timer);
      own.abort.abort();
      stop();
    };
  }, [rows]);
  return fresh;
}

async function follow(rows, changed, unsure, setFresh, signal) {
  if (!rows.loaded) return;
  const removed = [...changed.values()].filter((change) => change.kinds.includes("removed"));
  for (const change of removed) {
    rows.drop(keyOf(change));
    changed.delete(keyOf(change));
  }
  const { order_by: _by, descending: _down, ...filters } = rows.params;
  const answer = await get(LIST, { ...filters, limit: LATEST }, { signal });
  const arrived = [];
  for (const session of answer.sessions) {
    changed.delete(keyOf(session));
    if (!rows.put(session) && session.started_at > rows.newest) arrived.push(keyOf(session));
  }
  await one(rows, [...changed.keys()].filter((key) => rows.find(key)).slice(0, SINGLE), signal);
  rows.changed();
  setFresh((before) => {
    const keys = new Set([...before.keys, ...arrived]);
    return { keys, more: before.more || arrived.length === LATEST, unsure: before.unsure || unsure };
  });
}

// Those that changed and do not fit any more, or were not active: they stay, and say what they are by now.
async function one(rows, keys, signal) {
  for (const key of keys) {
    const { session_id: id, user_id } = rows.find(key) ?? {};
    if (!id) continue;
    try {
      rows.put(await get(sessionPath(id), { user_id }, { signal }));
    } catch (error) {
      if (error.missing) rows.drop(key);
    }
  }
}
