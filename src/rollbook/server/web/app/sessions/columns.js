// The columns of the table: what each is called, what it shows, and what it is in a CSV; and which are shown.

import { html, signal } from "../html.js";
import { sessionUrl } from "../state.js";
import { me, userName } from "../people.js";
import { count, exactDollars, shortId, shortModel, span } from "../format.js";
import { oneLine } from "../text.js";
import { Icon } from "../ui/icon.js";
import { Ago, Money, Status, Time, Tokens } from "../ui/parts.js";
import { titleOf } from "../ui/session.js";

const KEPT = "rollbook.columns";
const none = html`<span class="muted">–</span>`;
const text = (name) => (session) => session[name];
// What an agent told, in one line, where nothing hides; whole: in the hint.
const clipped = (value, whole = value) => html`<span class="clip" title=${oneLine(whole, 512)}>${oneLine(value, 120)}</span>`;
const shown = (value) => (value ? clipped(value) : none);
const folder = (path) => path.replace(/\/+$/, "").split("/").at(-1) || path;
const number = (name) => (session) => (session[name] ? count(session[name]) : html`<span class="muted">0</span>`);
const when = (name) => (session) => Time({ at: session[name] });
// Exact, and without what a spreadsheet would not take for a number.
const dollarsOf = (session) => (session.cost_usd === null ? null : exactDollars(session.cost_nano_usd).replace(/[$,]/g, "").replace("−", "-"));

export const TitleLink = ({ session }) => html`
  <a class="row-link clip" href=${sessionUrl(session.user_id, session.session_id)} title=${`${oneLine(session.title || session.goal_text || "No title")}\n${oneLine(session.session_id, 512)}`}>${titleOf(session)}</a>`;

const Title = ({ session }) => html`
  <span class="row-title">${session.parent_id && html`<span class="is-below" title=${`Started by ${session.parent_id}`}><${Icon} name="below" /><span class="unseen">Sub-agent: </span></span>`}${TitleLink({ session })}</span>`;

// (A part of its own, because names become known later than rows.)
const User = ({ id }) => html`<span class="clip" title=${`${userName(id)}\n${id}`}>${userName(id)}</span>`;

// A running session shows for how long it has been silent, others when they were last active.
const Active = ({ session }) => (session.effective_status === "running" ? html`<${Ago} at=${session.last_activity_at} />` : Time({ at: session.last_activity_at }));

// Cells are made by plain calls where they hold nothing that changes by itself: rows come by the dozen while one scrolls.
// key; title; wide: in rem (of the title: at least); sort: what the API sorts by; cell; csv: [name, value] of each; field: of the query language.
export const COLUMNS = [
  { key: "status", title: "State", wide: 7, sort: "effective_status", cell: (session) => Status({ name: session.effective_status }), csv: text("effective_status") },
  { key: "title", title: "Session", wide: 16, fill: true, cell: (session) => Title({ session }), csv: (session) => session.title ?? session.goal_text },
  { key: "id", title: "Id", wide: 11, cell: (session) => html`<span class="mono clip" title=${session.session_id}>${shortId(session.session_id)}</span>`, csv: text("session_id") },
  { key: "agent", title: "Agent", wide: 7.5, cell: (session) => shown(session.agent), csv: text("agent") },
  { key: "model", title: "Model", wide: 8.5, cell: (session) => (session.last_model ? clipped(shortModel(session.last_model), session.last_model) : none), csv: text("last_model"), hint: "The model it used last" },
  { key: "user", title: "User", wide: 6.5, cell: (session) => html`<${User} id=${session.user_id} />`, csv: (session) => userName(session.user_id) },
  { key: "project", title: "Project", wide: 8.5, cell: (session) => (session.project ? clipped(folder(session.project), session.project) : none), csv: text("project") },
  { key: "kind", title: "Kind", wide: 7.25, cell: (session) => shown(session.kind), csv: text("kind") },
  { key: "channel", title: "Channel", wide: 5.5, cell: (session) => shown(session.channel), csv: text("channel") },
  { key: "dataset", title: "Dataset", wide: 8.5, cell: (session) => (session.dataset_id ? html`<span class="mono clip" title=${session.dataset_id}>${shortId(session.dataset_id)}</span>` : none), csv: text("dataset_id") },
  { key: "tags", title: "Tags", wide: 9, cell: (session) => shown(session.tags.join(", ")), csv: (session) => session.tags.join(", ") },
  { key: "turns", title: "Turns", wide: 4.5, right: true, cell: number("turns"), csv: text("turns") },
  { key: "calls", title: "Calls", wide: 4.5, right: true, sort: "calls", cell: number("calls"), csv: text("calls") },
  { key: "errors", title: "Errors", wide: 4, right: true, sort: "error_count", cell: (session) => (session.error_count ? html`<span class="some-errors">${count(session.error_count)}</span>` : number("error_count")(session)), csv: text("error_count") },
  { key: "tokens_in", title: "Read", wide: 4.75, right: true, sort: "tokens_in", hint: "Tokens read", cell: (session) => Tokens({ value: session.tokens_in }), csv: text("tokens_in") },
  { key: "tokens_out", title: "Written", wide: 4.75, right: true, sort: "tokens_out", hint: "Tokens written", cell: (session) => Tokens({ value: session.tokens_out }), csv: text("tokens_out") },
  { key: "cost", title: "Cost", wide: 5.5, right: true, sort: "cost_usd", cell: (session) => Money({ of: session }), csv: dollarsOf },
  { key: "duration", title: "Agent time", wide: 6.25, right: true, sort: "agent_time_s", cell: (session) => html`<span title=${`${session.agent_time_s} s`}>${span(session.agent_time_s)}</span>`, csv: text("agent_time_s") },
  { key: "started", title: "Started", wide: 7.25, right: true, sort: "started_at", cell: when("started_at"), csv: text("started_at") },
  { key: "ended", title: "Ended", wide: 7.25, right: true, sort: "ended_at", cell: when("ended_at"), csv: text("ended_at") },
  { key: "active", title: "Active", wide: 7.25, right: true, sort: "last_activity_at", hint: "Last active", cell: (session) => Active({ session }), csv: text("last_activity_at") },
];
// What is shown unless somebody chose: the more, the wider the window is.
const USUAL = [
  ["(min-width: 112rem)", ["status", "title", "agent", "model", "user", "project", "tags", "calls", "errors", "tokens_in", "tokens_out", "cost", "duration", "started", "active"]],
  ["(min-width: 80rem)", ["status", "title", "agent", "model", "user", "errors", "tokens_in", "tokens_out", "cost", "duration", "active"]],
  ["(min-width: 62rem)", ["status", "title", "agent", "model", "cost", "duration", "active"]],
  ["all", ["status", "title", "agent", "cost", "active"]],
];
// For which of them there is room: another one while the window is made wider or less wide.
const fitting = USUAL.map(([wide]) => matchMedia(wide));
const roomNow = () => fitting.findIndex((asked) => asked.matches);
const room = signal(roomNow());
for (const asked of fitting) asked.addEventListener("change", () => { room.value = roomNow(); });
const ALWAYS = new Set(["title"]);
export const SORTS = [["last_activity_at", "Last active"], ["started_at", "Started"], ["ended_at", "Ended"], ["cost_usd", "Cost"], ["tokens_in", "Tokens read"], ["tokens_out", "Tokens written"], ["calls", "Calls"], ["error_count", "Errors"], ["agent_time_s", "Agent time"], ["effective_status", "State"]];

const chosen = signal(remembered());

function remembered() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT));
    return Array.isArray(kept) ? kept.filter((key) => COLUMNS.some((column) => column.key === key)) : null;
  } catch {
    return null;
  }
}

// Who sees nobody else's sessions needs no column that names the owner, unless it was asked for.
const usual = () => {
  const keys = new Set(USUAL[room.value][1]);
  if (!me.value?.everybody && me.value?.role !== "admin") keys.delete("user");
  return keys;
};

let last = { name: null, columns: null };

// The same array as long as it holds the same: rows are not made anew for nothing.
export function columnsShown() {
  const keys = new Set(chosen.value ?? usual());
  const name = [...keys].join();
  if (last.name !== name) last = { name, columns: COLUMNS.filter((column) => keys.has(column.key) || ALWAYS.has(column.key)) };
  return last.columns;
}

export const mayHide = (column) => !ALWAYS.has(column.key);
export const areUsual = () => chosen.value === null;

export function showColumn(key, on) {
  const keys = new Set(columnsShown().map((column) => column.key));
  keys[on ? "add" : "delete"](key);
  keep(COLUMNS.map((column) => column.key).filter((each) => keys.has(each)));
}

export function keep(keys) {
  chosen.value = keys;
  try {
    if (keys) localStorage.setItem(KEPT, JSON.stringify(keys));
    else localStorage.removeItem(KEPT);
  } catch {
    // they are shown all the same
  }
}
