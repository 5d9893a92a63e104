// What changes, as the server tells it: one stream for the tab, and none while nobody sees the tab.

import { computed, signal } from "./html.js";
import { meetAgain } from "./people.js";

const GATHERED_MS = 120; // changes that come together are told together
const SLOWEST_MS = 15000; // between tries to listen again
const EVENTS = "/api/v1/events";
const SILENT_MS = 40000; // the server says something every 15 seconds: after so much silence nobody is there any more
const LOOKED_MS = 5000;
const BEGINS_MS = 300; // for which the first page waits for the stream
const ANSWERS_MS = 10000;

// "connecting" | "live" | "off" (cut off, tried again) | "hidden"
export const state = signal("connecting");
// Since when it is cut off, in ms; null while it is not.
export const cutSince = signal(null);
export const isLive = computed(() => state.value === "live");

let source = null;
let lastId = null;
let tries = 0;
let again = 0;
let gathering = 0;
let heard = 0;
let looking = 0;
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

// Resolves when changes are told, or soon: what is asked for from then on need not be asked for once more.
export const listening = () => Promise.race([begun, new Promise((done) => setTimeout(done, BEGINS_MS))]);

export function listen() {
  document.addEventListener("visibilitychange", () => (document.hidden ? hide() : show()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  addEventListener("online", open);
  if (document.hidden) {
    state.value = "hidden";
    begin();
  } else open();
}

function open() {
  clearTimeout(again);
  if (source && source.readyState !== EventSource.CLOSED) return;
  if (document.hidden) return;
  if (state.value === "hidden") state.value = "connecting";
  source = new EventSource(lastId ? `${EVENTS}?after=${encodeURIComponent(lastId)}` : EVENTS);
  const told = { ready, change: changed, reset, stop: stopped, alive: () => {} };
  for (const [name, does] of Object.entries(told)) {
    source.addEventListener(name, (event) => {
      heard = Date.now();
      does(event);
    });
  }
  source.addEventListener("error", failed);
  heard = Date.now();
  looking = setInterval(look, LOOKED_MS);
}

// A connection may be gone without anybody being told: the machine slept, or the network is another one.
function look() {
  if (Math.abs(Date.now() - heard) > SILENT_MS) failed();
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
  source?.close();
  source = null;
}

function ready(event) {
  // What was missed is told next, where the feed remembers it; where it does not a reset is. But what was asked for
  // before anybody listened at all may have changed unheard, and what failed meanwhile is asked for again, too.
  if ((lastId === null && listeners.size) || tries > 0) {
    everything = true;
    tellSoon();
  }
  lastId ??= event.lastEventId;
  begin();
  tries = 0;
  state.value = "live";
  cutSince.value = null;
}

function changed(event) {
  lastId = event.lastEventId || lastId;
  changes.push(JSON.parse(event.data));
  tellSoon();
}

function reset(event) {
  lastId = event.lastEventId || lastId;
  everything = true;
  tellSoon();
}

function stopped() {
  close();
  cut();
}

function failed() {
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
