// Where one is: the page, what its address asks for, and the range of time. The address holds all of it.

import { batch, computed, signal } from "./html.js";

const PAGES = [
  ["fleet", /^\/$/],
  ["sessions", /^\/sessions$/],
  ["session", /^\/session\/(?<user>[^/]+)\/(?<session_id>[^/]+)$/],
  ["session", /^\/session\?user=(?<user>[^&]+)&id=(?<session_id>[^&]+)/],
  ["compare", /^\/compare$/],
  ["settings", /^\/settings$/],
];
export const RANGES = ["24h", "7d", "30d", "all"];
const USUAL = "7d";
const KEPT = "rollbook.range";

const here = signal({ path: location.pathname, search: location.search, hash: location.hash });

// { name: "session", params: { user, session_id }, path }; name is "unknown" for an address that is no page.
export const route = computed(() => pageOf(here.value.path, here.value.search));
// What stands behind the question mark. Read it with query.value.get("name").
export const query = computed(() => new URLSearchParams(here.value.search));
export const hash = computed(() => here.value.hash.slice(1));

// The start of the range, as the API's `since` takes it: "7d", "36h", "all", or a time as RFC 3339.
export const since = computed(() => fit(query.value.get("since")) ?? kept.value);
const kept = signal(fit(remembered()) ?? USUAL);
// Its end: a time as RFC 3339, which is not in it; null for now.
export const until = computed(() => {
  const end = fit(query.value.get("until"));
  return isTime(end) && (since.value === "all" || (isTime(since.value) && since.value < end)) ? end : null;
});
// Both, by the names that the API has for them.
export const range = computed(() => ({ since: since.value, until: until.value }));

function pageOf(pathname, search) {
  const path = pathname === "/session" ? pathname + search : pathname;
  for (const [name, shape] of PAGES) {
    const found = shape.exec(path);
    if (!found) continue;
    try {
      const params = Object.fromEntries(Object.entries(found.groups ?? {}).map(([key, text]) => [key, decodeURIComponent(text)]));
      return { name, params, path };
    } catch {
      break; // not UTF-8
    }
  }
  return { name: "unknown", params: {}, path };
}

function fit(text) {
  if (!text) return null;
  if (/^([1-9][0-9]{0,5}[hd]|all)$/.test(text)) return text;
  const at = new Date(/^[12]\d{3}-/.test(text) ? text : NaN); // (more is a date to a browser than to the server)
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

const isTime = (text) => /^\d{4}-/.test(text);

function remembered() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null; // a browser that keeps nothing
  }
}

// Go to an address of ours. With replace nothing is added to what "back" goes through.
export function go(url, { replace = false } = {}) {
  const to = new URL(url, location.href);
  const moved = pageOf(to.pathname, to.search).path !== route.value.path;
  if (moved && !replace) leave();
  try {
    history[replace ? "replaceState" : "pushState"](null, "", to);
  } catch (error) {
    // Some browsers take so many of them in half a minute and no more: a key that is held down may do without.
    if (!replace || error.name !== "SecurityError") throw error;
  }
  arrived();
  if (moved) scrollTo(0, 0);
}

const leaving = new Set();
// Tell them, where the page is left otherwise.
export const leave = () => { for (const told of [...leaving]) told(); };

// Calls told() before another page is gone to. Answers with what ends it.
export function onLeaving(told) {
  leaving.add(told);
  return () => leaving.delete(told);
}

// Change what stands behind the question mark: { query: "cost>5", sort: null } sets one and takes one away.
export function ask(changes, { replace = false } = {}) {
  const next = new URLSearchParams(here.value.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  go(here.value.path + (text ? `?${text}` : "") + here.value.hash, { replace });
}

// One that ends is for now: it is not what somebody wants to see who comes back tomorrow.
export function setRange(from, end = null) {
  const next = fit(from);
  if (next === null) return;
  batch(() => {
    if (end === null) keep(next);
    ask({ since: next, until: end });
  });
}

function keep(next) {
  kept.value = next;
  try {
    localStorage.setItem(KEPT, next);
  } catch {
    // it is in the address all the same
  }
}

// The address of a page with the range that is chosen, so that it is the same for whoever is sent it.
export function withRange(path, params = {}) {
  const own = params.since ? {} : { since: since.value, ...(until.value && { until: until.value }) };
  const text = new URLSearchParams({ ...params, ...own }).toString();
  return `${path}?${text}`;
}

// (Browsers take "." and ".." in a path for ways up, however they are written.)
export function sessionUrl(user, id, hash = "") {
  const [whose, which] = [user, id].map(encodeURIComponent);
  return (/^\.\.?$/.test(id) ? `/session?user=${whose}&id=${which}` : `/session/${whose}/${which}`) + (hash && `#${hash}`);
}

// The table of those sessions that a query finds: sessionsUrl({ status: "failed", model: "opus" }, { sort: "cost" }).
export function sessionsUrl(terms = {}, params = {}) {
  const text = typeof terms === "string" ? terms : queryOf(terms);
  return withRange("/sessions", text ? { query: text, ...params } : params);
}

// Terms of the query language. Values with other characters than names have are quoted: "<synthetic>" is a model, too.
export function queryOf(terms) {
  return Object.entries(terms).filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => `${name}:${quoted(String(value))}`).join(" ");
}

export const quoted = (text) => (/^[\w.@/+-]+$/.test(text) ? text : `"${text.replace(/[\\"]/g, "\\$&")}"`);

function arrived() {
  here.value = { path: location.pathname, search: location.search, hash: location.hash };
}

// Links of ours change the page without loading it, unless whoever clicks wants another tab.
function clicked(event) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest?.("a[href]");
  if (!link || link.getAttribute("href").startsWith("#") || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (pageOf(link.pathname, link.search).name === "unknown") return;
  event.preventDefault();
  if (link.href !== location.href) go(link.href);
}

export function follow() {
  addEventListener("popstate", arrived);
  document.addEventListener("click", clicked);
}
