// One row of the line of time.

import { html, useMemo, useState } from "../html.js";
import { get, segment, sessionPath } from "../api.js";
import { count, dollars, exact, exactDollars, fullTime, plural, shortModel, span, timeOfDay, tokens } from "../format.js";
import { sessionUrl } from "../state.js";
import { Money, Status } from "../ui/parts.js";
import { titleOf } from "../ui/session.js";
import { Icon } from "../ui/icon.js";
import { Failure } from "../ui/states.js";
import { Feedback } from "./feedback.js";
import { anchorOf, summaryOf } from "./items.js";
import { Markdown } from "./markdown.js";
import { oneLine, plain } from "../text.js";
import { Long, Named, Raw, Value } from "./values.js";

const LONG_S = 30; // a step that took so long is told apart
const day = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });

// About how high a row is before it is seen.
export function guess(item) {
  const above = (item.gap ? 36 : 0) + (item.day ? 36 : 0);
  if (item.kind === "message") return above + 34 + tall(item.body.content);
  if (item.kind === "qa") return above + 72 + tall(item.body.question) + tall(item.body.answer);
  return above + (item.failed && item.kind === "step" ? 52 : 30);
}

function tall(text) {
  const words = typeof text === "string" ? text : "";
  return 21 * (Math.ceil(words.length / 92) + (words.length < 4000 ? words.split("\n").length - 1 : 0));
}

// of: { session, user_id, writes, spent, isOpen, toggle, current, change }
export function Row({ item, of }) {
  const Kind = KINDS[item.kind];
  const here = of.current === item.key;
  return html`
    ${item.day && html`<p class="row-day"><span>${day.format(item.at)}</span></p>`}
    ${item.gap > 0 && html`<p class="row-gap"><span>${span(item.gap)} of silence</span></p>`}
    <article class=${`entry entry-${item.kind} ${item.failed ? "entry-failed" : ""} ${here ? "entry-here" : ""} ${item.kind === "qa" || item.body?.role === "user" ? "entry-of-user" : ""}`} tabindex="-1" aria-label=${nameOf(item)}>
      <${When} item=${item} />
      <i class="entry-dot" aria-hidden="true"></i>
      <div class="entry-body"><${Kind} item=${item} of=${of} /></div>
      <${Aside} item=${item} of=${of} />
    </article>`;
}

const NAMES = { qa: "Question and answer", child: "Sub-agent", call: "Failed call", end: "End" };
function nameOf(item) {
  if (item.kind === "step") return `${item.failed ? "Failed step" : "Step"} ${oneLine(item.body.tool_name || item.body.origin_function, 60)}`;
  if (item.kind === "message") return `Message, ${oneLine(item.body.role, 20)}`;
  return NAMES[item.kind] ?? `Entry of ${oneLine(item.entry.stream, 60)}`;
}

// The time leads to the entry itself, so that it can be sent to somebody.
function When({ item }) {
  const at = item.entry?.created_at ?? item.call?.occurred_at ?? (item.kind === "end" ? item.session.ended_at : item.session.started_at);
  const shown = html`<time datetime=${at} title=${`${exact(at)}\n${fullTime(at)}`}>${timeOfDay(at)}</time>`;
  return item.entry ? html`<a class="entry-when" href=${`#${anchorOf(item.key)}`}>${shown}</a>` : html`<span class="entry-when">${shown}</span>`;
}

function Aside({ item, of }) {
  const spent = of.spent.get(item.key);
  const raw = of.isOpen(`raw ${item.key}`);
  return html`
    <div class="entry-aside">
      ${item.took !== null && item.took !== undefined && html`<span class=${item.took >= LONG_S ? "entry-took entry-took-long" : "entry-took"} title=${`It took ${item.took} s`}>${span(item.took)}</span>`}
      ${spent && html`<span class="entry-cost" title=${costTitle(spent)}>${spent.unpriced >= spent.calls && spent.nano === 0 ? "unpriced" : dollars(spent.nano)}</span>`}
      ${item.entry && html`<button type="button" class="entry-raw" aria-pressed=${String(raw)} aria-label="Raw JSON" title="Raw JSON" onClick=${() => of.toggle(`raw ${item.key}`)}>{ }</button>`}
    </div>
    ${raw && item.entry && html`<div class="entry-json"><${WholeEntry} item=${item} of=${of}>${(entry) => html`<${Raw} value=${entry} name="this entry" />`}<//></div>`}`;
}

const costTitle = (spent) => [`${plural(spent.calls, "call")} since the entry before: ${exactDollars(spent.nano)}`,
  `${count(spent.tokens)} tokens`, spent.unpriced ? `${plural(spent.unpriced, "call")} without a price not in it` : ""].filter(Boolean).join("\n");

// An entry as it is kept, which is fetched where only its beginning is here.
function WholeEntry({ item, of, children }) {
  const [held, setHeld] = useState({ entry: item.entry.cut ? null : item.entry, error: null, asked: false });
  if (!held.entry && !held.asked) {
    held.asked = true;
    fetchEntry(item, of).then((entry) => setHeld({ entry, error: null, asked: true }), (error) => setHeld({ entry: null, error, asked: true }));
  }
  if (held.error) return html`<${Failure} error=${held.error} what="This entry cannot be shown in full." again=${() => setHeld({ entry: null, error: null, asked: false })} />`;
  return held.entry ? children(held.entry) : html`<p class="muted" role="status">One moment.</p>`;
}

const fetchEntry = (item, of) => get(sessionPath(of.session_id, `/streams/${segment(item.entry.stream)}/${segment(item.entry.entry_id)}`), { user_id: of.user_id });

// What was shortened comes whole, in place of its beginning.
function wholeOf(item, of) {
  if (!item.entry.cut) return null;
  return () => fetchEntry(item, of).then((entry) => of.change(item.key, entry.body, false), (error) => of.failed(error));
}

const More = ({ item, of }) => item.entry.cut && html`<button type="button" class="link-button" onClick=${wholeOf(item, of)}>Show all of it</button>`;

function Message({ item, of }) {
  const role = String(item.body.role ?? "");
  return html`
    <p class=${`said-by said-by-${role === "user" ? "user" : "other"}`}>${WHO[role] ?? oneLine(role, 40)}</p>
    <${Said} role=${role} text=${item.body.content} /><${More} item=${item} of=${of} />`;
}

const WHO = { user: "User", assistant: "Agent", system: "System", tool: "Tool" };

// What people and tools say is text; what agents say is markdown.
const Said = ({ role, text }) => (role === "assistant"
  ? html`<div class="said"><${Markdown} text=${text ?? ""} /></div>`
  : html`<${Plain} kind=${role === "user" ? "user" : "plain"} text=${text ?? ""} />`);

function Plain({ kind, text }) {
  const shown = useMemo(() => plain(text), [text]);
  return html`<${Long} text=${shown} draw=${(piece) => html`<div class=${`said said-${kind}`} dir="auto">${piece}</div>`} />`;
}

function Question({ item, of }) {
  const { question, answer, context } = item.body;
  return html`
    ${question && html`<p class="said-by said-by-user">User</p><${Said} role="user" text=${question} />`}
    ${context && html`<${Fold} id=${`context ${item.key}`} of=${of} name="Context" text=${context} />`}
    ${answer && html`<p class="said-by">Agent</p><${Said} role="assistant" text=${answer} />`}
    <${More} item=${item} of=${of} />
    <${Feedback} item=${item} of=${of} />`;
}

function Fold({ id, of, name, text }) {
  const open = of.isOpen(id);
  return html`<div class="fold"><button type="button" class="link-button" aria-expanded=${String(open)} onClick=${() => of.toggle(id)}><${Icon} name=${open ? "down" : "right"} />${name}</button>
    ${open && html`<${Value} value=${text} label=${name} />`}</div>`;
}

function Step({ item, of }) {
  const { body } = item;
  const open = of.isOpen(item.key);
  const name = body.tool_name || body.origin_function || "step";
  return html`
    <button type="button" class="step" aria-expanded=${String(open)} onClick=${() => of.toggle(item.key)}>
      <${Icon} name=${open ? "down" : "right"} /><strong>${oneLine(name, 80)}</strong>
      <span class="step-given">${oneLine(summaryOf(body.method_params), 400)}</span></button>
    ${item.failed && html`<p class="step-error" dir="auto">${oneLine([body.error, body.error_message].filter(Boolean).join(": ") || body.status || "failed", 400)}</p>`}
    ${open && html`<${StepInside} item=${item} of=${of} />`}`;
}

function StepInside({ item, of }) {
  const { body } = item;
  const whole = wholeOf(item, of);
  const empty = (value) => value === null || value === undefined || value === "" || (typeof value === "object" && Object.keys(value).length === 0);
  const part = (name, value, tone) => !empty(value) && html`<${Named} name=${name}><${Value} value=${value} label=${name} whole=${whole} tone=${tone} /><//>`;
  const other = body.origin_function && body.origin_function !== body.tool_name && body.tool_name;
  return html`
    <div class="step-inside">
      ${part("Error", [body.error, body.error_message].filter(Boolean).join("\n"), "bad")}
      ${part("Arguments", body.method_params)}
      ${part("Result", body.method_return_value)}
      ${part("Memory asked", body.memory_query)}
      ${part("Memory answered", body.memory_context)}
      ${part("Feedback", body.session_feedback)}
      <p class="step-facts">${[`Status ${oneLine(body.status, 60)}`, other && `in ${oneLine(body.origin_function, 120)}`, body.span_id && `span ${oneLine(body.span_id, 80)}`,
        oneLine(item.entry.entry_id, 120)].filter(Boolean).join(" · ")}</p>
    </div>`;
}

// An entry of a framework's own stream.
function Other({ item, of }) {
  const open = of.isOpen(item.key);
  return html`
    <button type="button" class="step" aria-expanded=${String(open)} onClick=${() => of.toggle(item.key)}>
      <${Icon} name=${open ? "down" : "right"} /><strong>${oneLine(item.entry.stream, 80)}</strong>
      <span class="step-given">${oneLine(typeof item.entry.body === "string" ? item.entry.body : JSON.stringify(item.entry.body), 400)}</span></button>
    ${open && html`<div class="step-inside"><${Value} value=${item.entry.body} label="Entry" whole=${wholeOf(item, of)} /></div>`}`;
}

const Child = ({ item }) => html`
  <p class="child"><span class="muted">Began</span> <a class="link clip" href=${sessionUrl(item.session.user_id, item.session.session_id)}>${oneLine(titleOf(item.session), 200)}</a>
    <${Status} name=${item.session.effective_status} /> <span class="muted"><${Money} of=${item.session} /></span></p>`;

const Call = ({ item }) => html`
  <p class="child"><strong>Call failed</strong> <span class="muted">${oneLine(shortModel(item.call.model ?? "unknown model"), 120)}${item.call.tokens_in + item.call.tokens_out > 0 ? ` · ${tokens(item.call.tokens_in + item.call.tokens_out)} tokens` : ""}</span></p>`;

const End = ({ item }) => html`
  <p class="child"><${Status} name=${item.session.effective_status} />${item.session.end_reason && html`<span class="muted">${oneLine(item.session.end_reason, 400)}</span>`}</p>`;

const KINDS = { qa: Question, message: Message, step: Step, other: Other, child: Child, call: Call, end: End };
