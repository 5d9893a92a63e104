// The lines of the table: what each says of a session, and by what it is compared.

import { html } from "../html.js";
import { compact, count, isUnpriced, money, moneyTitle, plural, shortModel, span } from "../format.js";
import { Status, Time } from "../ui/parts.js";
import { Agent } from "../ui/session.js";
import { oneLine } from "../text.js";
import { userName } from "../people.js";

const FEW = 100;

// A cell: { value: what is compared, shown: markup or text, title, size: a number to be drawn and compared by, bad }; of a
// line of words (worded) it stands at the left, as what it belongs to does, numbers at the right.
const text = (value, shown = value && oneLine(value)) => ({ value: value ?? "", shown: value ? shown : null });
const amount = (value, shown = count(value), title = count(value)) => ({ value, size: value, shown, title });
const number = (value) => ({ ...amount(value), counted: true });
const wrong = (value) => ({ ...number(value), bad: value > 0 });

function cost({ cost_nano_usd: nano, calls, unpriced_calls: unpriced }) {
  const none = isUnpriced(nano, calls, unpriced);
  return {
    value: none ? "unpriced" : nano, size: none ? null : nano, shown: money(nano, calls, unpriced),
    title: moneyTitle(nano, calls, unpriced), muted: none, more: unpriced > 0 && !none,
  };
}

const tokens = (value) => amount(value, compact(value), `${count(value)} tokens`);

const line = (key, title, cell, more = {}) => ({ key, title, cell, ...more });
const of = (key, title, cell, more) => line(key, title, (one) => cell(one.session), more);
const words = (key, title, cell, more) => of(key, title, cell, { ...more, worded: true });

const OUTCOME = [
  words("status", "State", (it) => text(it.effective_status, html`<${Status} name=${it.effective_status} />`)),
  words("decided", "Decided by", (it) => text(it.decided_by)),
  words("reason", "Reason", (it) => ({ ...text(it.end_reason), title: it.end_reason && oneLine(it.end_reason, 512) }), { optional: true }),
  of("attempt", "Attempt", (it) => ({ value: it.attempt, shown: count(it.attempt) }), { optional: (it) => it.attempt > 1 }),
];
const WHAT = [
  words("agent", "Agent", (it) => text(it.agent, html`<${Agent} name=${it.agent} />`)),
  words("user", "User", (it) => text(it.user_id, userName(it.user_id))),
  words("project", "Project", (it) => ({ ...text(it.project), title: it.project && oneLine(it.project, 512) }), { optional: true }),
  words("channel", "Channel", (it) => text(it.channel), { optional: true }),
  words("started", "Started", (it) => ({ value: "", shown: html`<${Time} at=${it.started_at} />`, apart: true })),
];
const WORK = [
  of("time", "Duration", (it) => amount(it.agent_time_s, span(it.agent_time_s), `${it.agent_time_s} s, over all attempts`), { drawn: true }),
  of("turns", "Turns", (it) => number(it.turns)),
  of("calls", "Model calls", (it) => number(it.calls)),
  of("late", "After its end", (it) => number(it.late_calls), { optional: (it) => it.late_calls > 0, inner: true }),
  of("steps", "Steps", (it) => number(it.tool_calls)),
];
const ERRORS = [
  of("call_errors", "Failed calls", (it) => wrong(it.call_errors)),
  of("step_errors", "Failed steps", (it) => wrong(it.step_errors)),
];
const COST = [
  of("cost", "Own", cost, { drawn: true }),
  line("inclusive", "With all below", (one) => cost(one.below), { drawn: true }),
  line("below", "Sessions below", (one) => number(one.below.sessions - 1)),
];
const TOKENS = [
  of("in", "In", (it) => tokens(it.tokens_in), { drawn: true }),
  of("cache_read", "Read from cache", (it) => tokens(it.cache_read_tokens), { inner: true }),
  of("cache_write", "Written to cache", (it) => tokens(it.cache_write_tokens), { inner: true }),
  of("out", "Out", (it) => tokens(it.tokens_out), { drawn: true }),
  of("reasoning", "Reasoning", (it) => tokens(it.reasoning_tokens), { inner: true, optional: (it) => it.reasoning_tokens > 0 }),
];

const GROUPS = [["outcome", "Outcome", OUTCOME], ["what", "What it was", WHAT], ["work", "Work", WORK],
  ["errors", "Errors", ERRORS], ["cost", "Cost", COST], ["tokens", "Tokens", TOKENS]];

// [{ key, title, note, rows: [{ key, title, cells, differs, drawn, inner }] }]; cells are null for sessions that cannot be shown.
export function groupsOf(all) {
  const there = all.filter((one) => !one.error);
  const groups = GROUPS.map(([key, title, lines]) => ({
    key, title, rows: lines.filter((each) => wanted(each, there)).map((each) => row(each, all)),
  }));
  return [...groups, models(all, there), tools(all, there)].filter((group) => group.rows.length || group.note);
}

function wanted({ optional, cell }, there) {
  if (!optional) return true;
  return there.some((one) => (optional === true ? cell(one).shown : optional(one.session)));
}

function row({ key, title, cell, ...more }, all) {
  const cells = all.map((one) => (one.error ? null : cell(one)));
  return { key, title, cells, ...more, differs: differing(cells) };
}

function differing(cells) {
  const [first, ...rest] = cells.filter(Boolean);
  return Boolean(first) && !first.apart && rest.some((each) => each.value !== first.value);
}

const totals = (there, pick, size) => {
  const found = new Map();
  for (const one of there) for (const [name, sum] of pick(one) ?? []) found.set(name, (found.get(name) ?? 0) + size(sum));
  return [...found].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([name]) => name);
};

function models(all, there) {
  const names = totals(there, (one) => one.models, (sum) => sum.cost_nano_usd + sum.calls / 1e6);
  const left = Math.max(0, ...there.map((one) => one.callsLeftOut));
  return {
    key: "models", title: "Cost by model", note: left ? `Of the first ${count(left)} calls.` : null,
    rows: names.map((name) => row({
      key: name, title: oneLine(shortModel(name), 120), hint: oneLine(name, 512), drawn: true, code: true,
      cell: (one) => (one.models.has(name) ? { ...cost(one.models.get(name)), aside: plural(one.models.get(name).calls, "call") } : absent()),
    }, all)),
  };
}

function tools(all, there) {
  const names = totals(there, (one) => one.tools, (sum) => sum.count);
  const unread = there.some((one) => one.tools === null);
  const left = Math.max(0, ...there.map((one) => one.stepsLeftOut));
  const notes = [left && "Of the newest steps only.", unread && "Not all journals can be read."].filter(Boolean);
  return {
    key: "tools", title: "Tools", note: notes.join(" ") || (names.length || !there.length ? null : "No steps are known."),
    rows: names.map((name) => row({
      key: name, title: oneLine(name, 120), hint: oneLine(name, 512), drawn: true, code: true,
      cell: (one) => (one.tools?.has(name) ? used(one.tools.get(name)) : absent()),
    }, all)),
  };
}

const used = ({ count: times, failed }) => ({
  value: `${times} ${failed}`, size: times, counted: true, shown: count(times), title: `${plural(times, "step")}, ${count(failed)} failed`,
  aside: failed ? `${count(failed)} failed` : null, badAside: true,
});

const absent = () => ({ value: "", shown: null });

// How much more than the first: "+3", "+12%", "×3.4"; nothing where that says nothing.
export function change(cell, first) {
  if (!cell || !first || cell === first || typeof cell.size !== "number" || typeof first.size !== "number") return null;
  if (cell.size === first.size) return null;
  // A share of a few says less than how many.
  if (cell.counted && Math.max(cell.size, first.size) < FEW) return signed(cell.size - first.size, "");
  if (!first.size) return null;
  const times = cell.size / first.size;
  if (times >= 2.995) return `×${times < 9.95 ? times.toFixed(1) : compact(Math.round(times))}`;
  const more = Math.round((times - 1) * 100);
  if (more === 0) return null;
  if (more === -100 && cell.size) return "−>99%"; // (nothing would be another thing)
  return signed(more, "%");
}

const signed = (value, unit) => `${value > 0 ? "+" : "−"}${Math.abs(value)}${unit}`;
