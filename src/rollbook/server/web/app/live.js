// What changes, as the server tells it; nothing is heard while nobody sees the tab.

import { signal } from "./html.js";
import { me, meetAgain } from "./people.js";
import { Stream } from "./stream.js";

const GATHERED_MS = 120; // changes that come together are told together
const SLOWEST_MS = 15000; // between tries to listen again
const SILENT_MS = 40000; // the server says something every 15 seconds: after so much silence nobody is there any more
const LOOKED_MS = 5000;
const BEGINS_MS = 300; // for which the first page waits for the stream
const ANSWERS_MS = 10000;

// "connecting" | "live" | "off" (cut off, tried again) | "hidden"
export const state = signal("connecting");
// Since when it is cut off, in ms; null while it is not.
export const cutSince = signal(null);

let source = null;
let lastId = null;
let tries = 0;
let again = 0;
let gathering = 0;
let heard = 0;
let looking = 0;
let silent = false;
let changes = [];
let everything = false;
const listeners = new Set();

// Calls told(changes) for changes { user_id, session_id, kinds, at }; told(null) means: look at everything anew.
// Answers with what ends it.
export function onChange(told) {
  listeners.add(told);
  return () => listeners.delete(told);
}

let begin = null;
const begun = new Promise((done) => { begin = done; });

// Listen as whoever is known by now. Resolves when changes are told, or soon: what is asked for from then on need not be
// asked for once more.
export function listening() {
  document.addEventListener("visibilitychange", () => (document.hidden ? hide() : show()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  addEventListener("online", open);
  if (document.hidden) hide();
  else open();
  return document.hidden || Promise.race([begun, new Promise((done) => setTimeout(done, BEGINS_MS))]);
}

const HEARD = { ready, joined, change: changed, reset, stop: cutOff, failed: cutOff, alive: () => {} };

function open() {
  clearTimeout(again);
  if (source || document.hidden) return;
  if (state.value === "hidden") state.value = "connecting";
  const { user_id: user, key_id: key, role } = me.value;
  source = new Stream(`${user} ${key} ${role}`, () => lastId, (event) => {
    heard = Date.now();
    silent = false;
    HEARD[event.name](event);
  }, silent);
  heard = Date.now();
  looking = setInterval(look, LOOKED_MS);
}

// A connection may be gone without anybody being told: the machine slept, or the network is another one.
function look() {
  if (Math.abs(Date.now() - heard) <= SILENT_MS) return;
  silent = true;
  cutOff();
}

function show() {
  open();
  meetAgain().catch(() => {}); // the stream says so, where nobody is there
}

function hide() {
  close();
  state.value = "hidden";
  cutSince.value = null;
}

function close() {
  clearTimeout(again);
  clearInterval(looking);
  source?.end();
  source = null;
}

function ready({ id }) {
  // What was missed is told next, where the feed remembers it; where it does not a reset is. But what was asked for
  // before anybody listened at all may have changed unheard, and what failed meanwhile is asked for again, too.
  if ((lastId === null && listeners.size) || tries > 0) {
    everything = true;
    tellSoon();
  }
  lastId ??= id;
  begin();
  tries = 0;
  state.value = "live";
  cutSince.value = null;
}

// Another tab listens, and passes on what comes from now on.
function joined({ id }) {
  if (lastId !== null && lastId !== id) {
    lastId = id;
    everything = true;
    tellSoon();
  }
  ready({ id });
}

function changed({ data, id }) {
  lastId = id || lastId;
  changes.push(JSON.parse(data));
  tellSoon();
}

function reset({ id }) {
  lastId = id || lastId;
  everything = true;
  tellSoon();
}

function cutOff() {
  close();
  cut();
}

// The browser would try again by itself, but not after an answer that is no stream, nor slower each time.
function cut() {
  if (state.value !== "off") {
    state.value = "off";
    cutSince.value = Date.now();
  }
  tries += 1;
  const wait = Math.min(SLOWEST_MS, 250 * 2 ** tries) * (0.75 + Math.random() / 2);
  again = setTimeout(retry, wait);
}

async function retry() {
  if (document.hidden) return;
  try {
    await meetAgain({ signal: AbortSignal.timeout(ANSWERS_MS) }); // leads to the page for signing in where that is needed
  } catch {
    cut();
    return;
  }
  open();
}

function tellSoon() {
  if (!gathering) gathering = setTimeout(tell, GATHERED_MS);
}

function tell() {
  gathering = 0;
  const told = everything ? null : changes;
  changes = [];
  everything = false;
  for (const listener of [...listeners]) listener(told);
}
