// What changes while somebody looks at the table: rows change where they stand, and what is new is announced.

import { useEffect, useState } from "../html.js";
import { get, sessionPath } from "../api.js";
import { eachMinute } from "../clock.js";
import { onChange } from "../live.js";
import { keyOf } from "./rows.js";

const LIST = "/api/v1/sessions";
const LATEST = 100; // sessions that were active last: those that changed are among them
const SINGLE = 20; // others that are asked for one by one
const OFTEN_MS = 700;

const NOTHING = { keys: new Set(), more: false };

// { keys of sessions that began since the rows were asked for, more: whether there are more of them }
export function useFresh(rows) {
  const [fresh, setFresh] = useState(NOTHING);
  useEffect(() => {
    setFresh(NOTHING);
    return followed(rows, setFresh);
  }, [rows]);
  return fresh;
}

// One look at a time, and the longer it takes the seldomer.
function followed(rows, setFresh) {
  const abort = new AbortController();
  let changed = new Map();
  let anything = false;
  let timer = 0;
  let busy = false;
  let next = 0;
  const soon = () => {
    if (!timer && !busy && !abort.signal.aborted) timer = setTimeout(run, Math.max(0, next - performance.now()));
  };
  const run = async () => {
    const began = performance.now();
    const told = { changed, anything };
    [timer, busy, changed, anything] = [0, true, new Map(), false];
    try {
      await follow(rows, told, setFresh, abort.signal);
    } catch {
      // what changed is told again by the next change
    }
    const now = performance.now();
    [busy, next] = [false, now + Math.max(OFTEN_MS, 4 * (now - began))];
    if (changed.size || anything) soon();
  };
  const stop = onChange((changes) => {
    if (changes === null) anything = true;
    for (const change of changes ?? []) changed.set(keyOf(change), change);
    soon();
  });
  // Who is silent for long is abandoned, and nothing tells of it.
  const still = eachMinute(() => {
    anything = true;
    soon();
  });
  return () => {
    still();
    abort.abort();
    clearTimeout(timer);
    stop();
  };
}

async function follow(rows, { changed, anything }, setFresh, signal) {
  if (!rows.loaded) return;
  for (const [key, change] of changed) if (change.kinds.includes("removed")) rows.drop(key);
  const { order_by: _by, descending: _down, ...filters } = rows.params;
  const answer = await get(LIST, { ...filters, limit: LATEST }, { signal });
  const arrived = [];
  for (const session of answer.sessions) {
    if (!rows.put(session) && session.started_at > rows.newest) arrived.push(keyOf(session));
  }
  const left = anything ? await rows.refresh(signal) : new Set([...changed.keys()].filter((key) => rows.find(key)));
  for (const session of answer.sessions) left.delete(keyOf(session));
  await singly(rows, [...left].filter((key) => !rows.removed.has(key)).slice(0, SINGLE), signal);
  rows.changed();
  if (arrived.length) setFresh((before) => ({ keys: new Set([...before.keys, ...arrived]), more: before.more || arrived.length === LATEST }));
}

// Those that changed and do not fit any more, or were not active: they stay, and say what they are by now.
async function singly(rows, keys, signal) {
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
