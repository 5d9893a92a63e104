// Where one is: the page, what its address asks for, and the range of time. The address holds all of it.

import { batch, computed, signal } from "./html.js";

const PAGES = [
  ["fleet", /^\/$/],
  ["sessions", /^\/sessions$/],
  ["session", /^\/session\/(?<user>[^/]+)\/(?<session_id>[^/]+)$/],
  ["compare", /^\/compare$/],
  ["settings", /^\/settings$/],
];
export const RANGES = ["24h", "7d", "30d", "all"];
const USUAL = "7d";
const KEPT = "rollbook.range";

const here = signal({ path: location.pathname, search: location.search, hash: location.hash });

// { name: "session", params: { user, session_id }, path }; name is "unknown" for an address that is no page.
export const route = computed(() => pageOf(here.value.path));
// What stands behind the question mark. Read it with query.value.get("name").
export const query = computed(() => new URLSearchParams(here.value.search));
export const hash = computed(() => here.value.hash.slice(1));

// The start of the range, as the API's `since` takes it: "7d", "36h", "all", or a time as RFC 3339.
export const since = computed(() => fit(query.value.get("since")) ?? kept.value);
const kept = signal(fit(remembered()) ?? USUAL);

function pageOf(path) {
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
  const moved = to.pathname !== here.value.path;
  if (moved && !replace) for (const told of [...leaving]) told();
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

export function setSince(text) {
  const next = fit(text);
  if (next === null) return;
  try {
    localStorage.setItem(KEPT, next);
  } catch {
    // it is in the address all the same
  }
  batch(() => {
    kept.value = next;
    ask({ since: next });
  });
}

// The address of a page with the range that is chosen, so that it is the same for whoever is sent it.
export function withRange(path, params = {}) {
  const text = new URLSearchParams({ ...params, since: params.since ?? since.value }).toString();
  return `${path}?${text}`;
}

export const sessionUrl = (user, id, hash = "") => `/session/${encodeURIComponent(user)}/${encodeURIComponent(id)}${hash && `#${hash}`}`;

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
  if (pageOf(link.pathname).name === "unknown") return;
  event.preventDefault();
  if (link.href !== location.href) go(link.href);
}

export function follow() {
  addEventListener("popstate", arrived);
  document.addEventListener("click", clicked);
}
