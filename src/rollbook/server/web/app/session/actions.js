// What may be done with a session: by whoever may write it.

import { html, useState } from "../html.js";
import { address, del, post, sessionPath } from "../api.js";
import { me } from "../people.js";
import { go } from "../state.js";
import { Dialog } from "../ui/dialog.js";
import { Icon } from "../ui/icon.js";
import { Menu } from "../ui/menu.js";
import { Choice } from "../ui/parts.js";
import { say } from "../ui/toast.js";
import { oneLine } from "./text.js";

// An administrator writes everything, a writer what is the user's own or a child user's.
export function mayChange(userId) {
  const { role, user_id: own, children = [] } = me.value ?? {};
  return role === "admin" || (role === "writer" && (own === userId || children.includes(userId)));
}

export function Actions({ session, writes, raw, onRaw }) {
  const [asked, setAsked] = useState(null);
  const over = session.status !== "running";
  const close = () => setAsked(null);
  const choose = (name, shut) => () => { shut(); setAsked(name); };
  return html`
    <div class="session-actions">
      ${writes && html`<button type="button" class="button" onClick=${() => setAsked("edit")}>Edit</button>
        ${over ? html`<button type="button" class="button" onClick=${() => setAsked("reopen")}>Reopen</button>` : html`<button type="button" class="button" onClick=${() => setAsked("end")}>End</button>`}`}
      <${Menu} label=${html`<${Icon} name="more" />`} name="More" align="end" quiet=${true}>${(shut) => html`
        <button type="button" onClick=${() => { shut(); onRaw(); }}>${raw ? "Hide raw JSON" : "Raw JSON"}</button>
        ${writes && html`<button type="button" class="button-bad" onClick=${choose("delete", shut)}>Delete…</button>`}`}<//>
      ${asked === "edit" && html`<${Edit} session=${session} close=${close} />`}
      ${asked === "end" && html`<${End} session=${session} close=${close} />`}
      ${asked === "reopen" && html`<${Reopen} session=${session} close=${close} />`}
      ${asked === "delete" && html`<${Delete} session=${session} close=${close} />`}
    </div>`;
}

const pathOf = (session, rest) => address(sessionPath(session.session_id, rest), { user_id: session.user_id });

// Does something once at a time, says so, and says why not.
function useDoing(close) {
  const [busy, setBusy] = useState(false);
  const act = async (asking, words) => {
    setBusy(true);
    try {
      await asking();
      close();
      say(words);
    } catch (error) {
      setBusy(false);
      say(error.message, "bad");
    }
  };
  return [busy, act];
}

function End({ session, close }) {
  const [status, setStatus] = useState("completed");
  const [reason, setReason] = useState("");
  const [busy, act] = useDoing(close);
  const end = () => act(() => post(pathOf(session, "/end"), { status, reason: reason.trim() || null }), "The session has ended.");
  return html`
    <${Dialog} title="End this session" onClose=${close} actions=${html`<button type="button" class="button button-main" disabled=${busy} onClick=${end}>End it</button>`}>
      <p>Calls that come after its end count as spend, and no longer as part of it.</p>
      <${Choice} label="How it ended" value=${status} onChoose=${setStatus} options=${[["completed", "Completed"], ["failed", "Failed"], ["cancelled", "Cancelled"]]} />
      <label class="session-field">Reason <input value=${reason} maxlength="1024" placeholder="None" onInput=${(event) => setReason(event.target.value)} /></label>
    <//>`;
}

function Reopen({ session, close }) {
  const [busy, act] = useDoing(close);
  const reopen = () => act(() => post(pathOf(session, "/reopen"), {}), "The session runs again.");
  return html`
    <${Dialog} title="Reopen this session?" onClose=${close} actions=${html`<button type="button" class="button button-main" disabled=${busy} onClick=${reopen}>Reopen</button>`}>
      <p>It runs again, as attempt ${session.attempt + 1}.</p><//>`;
}

function Delete({ session, close }) {
  const [busy, act] = useDoing(close);
  const remove = () => act(async () => {
    await del("/api/v1/session", { session_id: session.session_id, user_id: session.user_id });
    go("/sessions");
  }, "The session is deleted.");
  return html`
    <${Dialog} title="Delete this session?" onClose=${close} actions=${html`<button type="button" class="button button-bad" disabled=${busy} onClick=${remove}>Delete it</button>`}>
      <p>“${oneLine(session.title || session.session_id, 120)}”: what was said and done in it goes for good. What it cost stays in the figures of spend.</p><//>`;
}

// An edit is a sign of life, and shall not look like work: of a session that goes on it is said to be hardly later than
// the last one; one that is only presumed to have ended would be woken by anything later than that.
function timeOf(session) {
  if (!session.ended_at) return { at: hardlyAfter(session.last_activity_at) };
  const surely = session.effective_status !== "unknown" && session.decided_by !== "importer";
  return surely ? {} : { at: session.ended_at };
}

// A microsecond later. (Dates of JavaScript know milliseconds alone.)
function hardlyAfter(text) {
  const [whole, rest] = text.split(".");
  const micros = Number(rest?.slice(0, 6) ?? 0) + 1;
  return micros < 1e6 ? `${whole}.${String(micros).padStart(6, "0")}+00:00` : `${new Date(Date.parse(`${whole}Z`) + 1000).toISOString().slice(0, 19)}+00:00`;
}

function Edit({ session, close }) {
  const [title, setTitle] = useState(session.title ?? "");
  const [tags, setTags] = useState(session.tags.join(", "));
  const [busy, act] = useDoing(close);
  const keep = () => act(async () => {
    const wanted = { title: title.trim(), tags: [...new Set(tags.split(",").map((tag) => tag.trim()).filter(Boolean))] };
    const kept = await post(pathOf(session, "/touch"), { ...wanted, ...timeOf(session) });
    if ((kept.title ?? "") !== wanted.title) throw new Error("It was not taken: something that was said later stands.");
  }, "It is kept.");
  return html`
    <${Dialog} title="Title and tags" onClose=${close} actions=${html`<button type="button" class="button button-main" disabled=${busy} onClick=${keep}>Keep</button>`}>
      <label class="session-field">Title <input value=${title} maxlength="1024" onInput=${(event) => setTitle(event.target.value)} /></label>
      <label class="session-field">Tags, with commas between <input value=${tags} onInput=${(event) => setTags(event.target.value)} /></label>
    <//>`;
}
