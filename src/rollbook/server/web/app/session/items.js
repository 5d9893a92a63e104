// What stands on the line of time: entries, what was begun from here, calls that failed, and how it ended. All pure.

const SILENT_S = 90; // without anything between two entries
const KINDS = { qa: "qa", messages: "message", trace: "step" };
const FAILED = new Set(["error", "failed", "failure"]);

export const ms = (text) => Date.parse(text);
export const keyOf = (entry) => `${entry.stream}/${entry.entry_id}`;
// As it stands behind the "#" of an address, and back.
export const anchorOf = (key) => encodeURIComponent(key).replaceAll("%2F", "/");

// { key, kind, at (ms), start (ms), failed, entry | session | call, gap (s), day, calls, nano }
export function itemOf(entry) {
  const kind = KINDS[entry.stream] ?? "other";
  const body = entry.body !== null && typeof entry.body === "object" ? entry.body : {};
  const at = ms(entry.created_at);
  const took = kind === "step" && typeof body.duration_s === "number" ? body.duration_s : null;
  return { key: keyOf(entry), kind, entry, body, at, start: took === null ? at : at - took * 1000, took, failed: kind === "step" && failedStep(body), text: null };
}

const failedStep = (body) => FAILED.has(String(body.status ?? "").toLowerCase()) || (body.error !== null && body.error !== undefined);

// Entries in the order of their streams and, between streams, of time.
export function merged(entries, children = [], calls = [], session = null) {
  const latest = new Map();
  const items = entries.slice();
  for (const item of items) {
    item.order = Math.max(item.at, latest.get(item.entry.stream) ?? 0);
    latest.set(item.entry.stream, item.order);
  }
  for (const child of children) items.push(begun(child));
  for (const call of calls) if (call.errored) items.push(failedCall(call));
  items.sort((one, other) => one.order - other.order);
  if (session?.ended_at) items.push(ended(session));
  gaps(items);
  return items;
}

function begun(session) {
  const at = ms(session.started_at);
  return { key: `session/${session.user_id}/${session.session_id}`, kind: "child", session, at, start: at, order: at, failed: false, text: null };
}

function failedCall(call) {
  const at = ms(call.occurred_at);
  return { key: `call/${call.usage_id}`, kind: "call", call, at, start: at, order: at, failed: true, text: null };
}

function ended(session) {
  const at = ms(session.ended_at);
  return { key: "end", kind: "end", session, at, start: at, order: Infinity, failed: false, text: null };
}

function gaps(items) {
  let before = null;
  let day = null;
  for (const item of items) {
    const silent = before === null ? 0 : (item.start - before) / 1000;
    item.gap = silent >= SILENT_S ? silent : 0;
    const today = new Date(item.at).toDateString();
    item.day = day !== null && today !== day;
    day = today;
    before = Math.max(before ?? 0, item.at);
  }
}

// What calls cost stands at the entry to which they led: the first one after them.
export function withCosts(items, calls) {
  let place = 0;
  const at = items.filter((item) => item.kind !== "child" && item.kind !== "call" && item.kind !== "end");
  const spent = new Map();
  for (const call of calls) {
    const time = ms(call.occurred_at);
    while (place < at.length - 1 && at[place].order < time) place += 1;
    const item = at[place];
    if (!item) break;
    const sum = spent.get(item.key) ?? { calls: 0, nano: 0, unpriced: 0, tokens: 0 };
    sum.calls += call.calls;
    sum.nano += call.cost_nano_usd ?? 0;
    sum.unpriced += call.cost_nano_usd === null ? call.calls : 0;
    sum.tokens += call.tokens_in + call.tokens_out;
    spent.set(item.key, sum);
  }
  return spent;
}

// The item at a time, or the first one after it: a place in items; -1 where there is none.
export function placeAt(items, time) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].order < time) low = middle + 1;
    else high = middle;
  }
  return items.length ? Math.min(low, items.length - 1) : -1;
}

const SHOWN = {
  all: () => true,
  talk: (item) => item.kind === "qa" || item.kind === "message" || item.kind === "end",
  tools: (item) => item.kind === "step" || item.kind === "child" || item.kind === "other",
  errors: (item) => item.failed,
};

export const filtered = (items, name) => (name === "all" ? items : items.filter(SHOWN[name]));

// What of an item can be found, in lower case; kept with it.
export function textOf(item) {
  if (item.text === null) {
    const parts = [item.entry?.entry_id ?? ""];
    gather(item.entry ? item.entry.body : item.session ? [item.session.title, item.session.session_id, item.session.end_reason] : item.call?.model, parts, item.kind === "other" ? 1 : 0); // (names in what has a form say nothing)
    item.text = parts.join("\n").toLowerCase();
  }
  return item.text;
}

function gather(value, parts, depth) {
  if (typeof value === "string") parts.push(value);
  else if (typeof value === "number") parts.push(String(value));
  else if (value !== null && typeof value === "object" && depth < 20) {
    for (const [name, each] of Object.entries(value)) {
      if (depth > 0 && !Array.isArray(value)) parts.push(name);
      gather(each, parts, depth + 1);
    }
  }
}

const TELLING = ["command", "cmd", "file_path", "path", "pattern", "query", "url", "prompt", "description", "question"];

// What a tool was called with, in one line.
export function summaryOf(given) {
  if (given === null || given === undefined) return "";
  if (typeof given !== "object") return String(given);
  if (Array.isArray(given)) return given.map(short).join(" ");
  const name = TELLING.find((each) => given[each] !== undefined && given[each] !== "") ?? Object.keys(given)[0];
  return name === undefined ? "" : short(given[name]);
}

const short = (value) => {
  if (Array.isArray(value)) return value.map(short).join(" ");
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
};
