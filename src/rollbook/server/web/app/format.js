// How values are written. Money comes as whole nano-dollars; what has no price is never a sum of nothing.

const NANO = 1e9;
const DAY_MS = 86400000;
const whole = new Intl.NumberFormat("en");
const cents = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

export const UNPRICED = "unpriced";

export const count = (value) => whole.format(value);
export const plural = (value, one, many = `${one}s`) => `${whole.format(value)} ${value === 1 ? one : many}`;
// 1.2K, 45.6M: for tokens and other amounts of which only the size matters.
export const compact = (value) => (Math.abs(value) < 1000 ? whole.format(value) : short.format(value).replace("K", "k"));
export const tokens = compact;
export const percent = (share) => `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)}%`;

// Whether calls were made of which none has a price.
export const isUnpriced = (nano, calls, unpriced) => unpriced > 0 && unpriced >= calls && nano === 0;

export function money(nano, calls = 0, unpriced = 0) {
  return isUnpriced(nano, calls, unpriced) ? UNPRICED : dollars(nano);
}

// What is behind an amount of money: its exact value, and what is not in it.
export function moneyTitle(nano, calls = 0, unpriced = 0) {
  const left = unpriced > 0 ? `${count(unpriced)} of ${plural(calls, "call")} without a price, not in it` : "";
  if (isUnpriced(nano, calls, unpriced)) return `No price is known for ${calls === 1 ? "its call" : `its ${count(calls)} calls`}.`;
  return [exactDollars(nano), left].filter(Boolean).join("; ");
}

export function dollars(nano) {
  const value = nano / NANO;
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  if (size === 0) return "$0.00";
  if (size < 0.0001) return `${sign}<$0.0001`;
  if (size < 0.1) return `${sign}$${size.toFixed(4)}`;
  if (size < 10000) return `${sign}$${cents.format(size)}`;
  return `${sign}$${whole.format(Math.round(size))}`;
}

// For axes, where only the size matters.
export function roundDollars(value) {
  if (value === 0) return "$0";
  if (value >= 1000) return `$${compact(value)}`;
  if (value >= 10 || Number.isInteger(value)) return `$${Math.round(value)}`;
  return value >= 0.01 && Number.isInteger(Number((value * 100).toFixed(6))) ? `$${value.toFixed(2)}` : `$${value.toFixed(9).replace(/0+$/, "")}`;
}

export function exactDollars(nano) {
  const sign = nano < 0 ? "−" : "";
  const digits = String(Math.abs(nano)).padStart(10, "0");
  const after = digits.slice(-9).replace(/0+$/, "").padEnd(2, "0");
  return `${sign}$${whole.format(Number(digits.slice(0, -9)))}.${after}`;
}

// A length of time in seconds: "3.2 s", "4 min 05 s", "2 h 10 min", "3 d 4 h".
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const all = Math.round(seconds);
  if (all < 60) return `${all} s`;
  const minutes = Math.floor(all / 60);
  if (minutes < 60) return `${minutes} min${minutes < 10 ? ` ${String(all % 60).padStart(2, "0")} s` : ""}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  if (hours < 24 * 100) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return `${whole.format(Math.floor(hours / 24))} d`;
}

// The same with one unit, for what is looked at in passing: "12 s", "5 min", "3 h", "2 d".
export function roughly(seconds) {
  const all = Math.max(0, Math.floor(seconds));
  if (all < 60) return `${all} s`;
  if (all < 3600) return `${Math.floor(all / 60)} min`;
  if (all < 48 * 3600) return `${Math.floor(all / 3600)} h`;
  return `${Math.floor(all / 86400)} d`;
}

// Times

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit" });
const thisYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const otherYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });

// A time in the viewer's zone, as short as it can be told apart by: "17:04", "Fri 17:04", "3 Nov, 17:04", "3 Nov 2025".
const thisDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export function time(text, now = Date.now()) {
  const at = new Date(text);
  const today = new Date(now);
  if (at.toDateString() === today.toDateString()) return clock.format(at);
  if (Math.abs(now - at) < 6 * DAY_MS) return weekday.format(at).replace(",", "");
  return at.getFullYear() === today.getFullYear() ? thisYear.format(at) : otherYear.format(at);
}

export const timeOfDay = (text) => seconds.format(new Date(text));
export const fullTime = (text) => full.format(new Date(text));
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

// The exact time, for who hovers: "2026-11-21 17:04:05.123456 UTC".
export const exact = (text) => `${String(text).replace("T", " ").replace("+00:00", "")} UTC`;

// Names

export const shortModel = (name) => name.replace(/^claude-/, "").replace(/-20\d{6}$/, "");
export const shortId = (id) => (id.length > 20 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id);

// "in the last 7 days", "since 3 Nov, 17:04", "between 1 May and 31 May", "on 1 May"; nothing of all time.
export function within({ since, until }) {
  if (until) {
    const [from, to] = edges(since, until);
    return from === null ? `until ${to}` : from === to ? `on ${to}` : `between ${from} and ${to}`;
  }
  return since === "all" ? "" : rangeName({ since }).replace(/^the/, "in the");
}

// Both ends of a range: days where it is of whole ones (the last of which is over when it ends), else times.
function edges(since, until) {
  const [start, end] = [new Date(since), new Date(until)];
  const whole = [start, end].every((at) => Number.isNaN(at.getTime()) || !(at.getHours() || at.getMinutes()));
  const near = whole ? thisDay : thisYear;
  const name = (at) => (at.getFullYear() === new Date().getFullYear() ? near : otherYear).format(at);
  return [since === "all" ? null : name(start), name(whole ? new Date(end - 1) : end)];
}

export function rangeName({ since, until }) {
  if (until) {
    const [from, to] = edges(since, until);
    return from === null ? `until ${to}` : from === to ? to : `${from} – ${to}`;
  }
  if (since === "all") return "all time";
  const found = /^(\d+)([hd])$/.exec(since);
  if (found) return `the last ${plural(Number(found[1]), found[2] === "h" ? "hour" : "day")}`;
  return `since ${time(since)}`;
}
