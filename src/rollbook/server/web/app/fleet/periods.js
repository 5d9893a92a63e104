// Spend over time as a chart needs it: every period of the range, those without a call too, and few enough to be seen.

const HOUR_MS = 3600000;
const DAY_MS = 24 * HOUR_MS;
const MOST = 62; // bars that can be told apart

// (An hour that comes twice, when clocks are put back, is two: a time that is set is always in the first of them.)
const intoHour = (at) => (at.getMinutes() * 60 + at.getSeconds()) * 1000 + at.getMilliseconds();

// What is added to a period's start lies in the next one, perhaps not at its start: where clocks are put forward at
// midnight, that day begins at one.
const STEPS = {
  hour: { floor: (at) => at.setTime(at - intoHour(at)), next: (at) => at.setTime(at.getTime() + HOUR_MS), about: HOUR_MS, by: "hour" },
  part: { floor: (at) => at.setHours(at.getHours() - (at.getHours() % 6), 0, 0, 0), next: (at) => at.setHours(at.getHours() + 6), about: 6 * HOUR_MS, by: "hour" },
  day: { floor: (at) => at.setHours(0, 0, 0, 0), next: (at) => at.setDate(at.getDate() + 1), about: DAY_MS, by: "day" },
  week: { floor: (at) => { at.setHours(0, 0, 0, 0); at.setDate(at.getDate() - ((at.getDay() + 6) % 7)); }, next: (at) => at.setDate(at.getDate() + 7), about: 7 * DAY_MS, by: "day" },
  month: { floor: (at) => { at.setHours(0, 0, 0, 0); at.setDate(1); }, next: (at) => at.setMonth(at.getMonth() + 1), about: 30 * DAY_MS, by: "day" },
};
const ORDER = ["hour", "part", "day", "week", "month"];

// When a range begins, in ms; null for all time.
export function beginning(since, now) {
  if (since === "all") return null;
  const found = /^(\d+)([hd])$/.exec(since);
  return found ? now - Number(found[1]) * (found[2] === "h" ? HOUR_MS : DAY_MS) : Date.parse(since);
}

const ending = ({ until }, now) => (until ? Math.min(Date.parse(until), now) : now);

// By what the server is asked to gather spend. All time may be long: by days.
export function byOf(range, now) {
  const from = beginning(range.since, now);
  return from === null ? "day" : STEPS[stepFor(ending(range, now) - from, "hour")].by;
}

function stepFor(span, finest) {
  const fitting = ORDER.slice(ORDER.indexOf(finest)).find((name) => span / STEPS[name].about <= MOST / 2 + 1);
  return fitting ?? "month";
}

// { step, starts: [ms, …], ends: [ms, …], lines: [{ key, deleted, nano: [], calls: [], unpriced: [] }] }
export function periodsOf(series, range, now) {
  const told = series.starts.map((text) => Date.parse(text));
  const end = ending(range, now);
  const first = told[0] ?? end;
  const asked = Math.min(beginning(range.since, now) ?? first, first);
  const from = (end - asked) / STEPS.month.about > MOST ? first : asked; // years of nothing hide what there is
  const step = stepFor(end - from, series.by);
  const starts = every(STEPS[step], from, end);
  const place = new Map(starts.map((at, index) => [at, index]));
  const index = told.map((at) => place.get(floored(STEPS[step], at)) ?? 0);
  const lines = series.lines.map((line) => ({
    key: line.key,
    deleted: line.deleted,
    nano: gathered(line.cost_nano_usd, index, starts.length),
    calls: gathered(line.calls, index, starts.length),
    unpriced: gathered(line.unpriced_calls, index, starts.length),
  }));
  const ends = starts.map((at, which) => starts[which + 1] ?? after(STEPS[step], at));
  return { step, starts, ends, lines };
}

function every(step, from, end) {
  const found = [floored(step, from)];
  for (let at = after(step, found[0]); at < end; at = after(step, at)) found.push(at);
  return found;
}

function floored(step, at) {
  const date = new Date(at);
  step.floor(date);
  return date.getTime();
}

function after(step, at) {
  const date = new Date(at);
  step.next(date);
  return floored(step, date);
}

function gathered(values, index, size) {
  const sums = new Array(size).fill(0);
  values.forEach((value, place) => { sums[index[place]] += value; });
  return sums;
}

export const total = (values) => values.reduce((sum, value) => sum + value, 0);

// The costliest lines, and one for all others.
export function shortened(lines, most) {
  if (lines.length <= most + 1) return lines;
  const add = (name) => lines.slice(most).map((line) => line[name]).reduce((left, right) => left.map((value, place) => value + right[place]));
  const rest = { key: `${lines.length - most} others`, rest: true, nano: add("nano"), calls: add("calls"), unpriced: add("unpriced") };
  return [...lines.slice(0, most), rest];
}
