// What changes a session: its title and tags, its end, its beginning anew, and that it goes for good.

import { html, useState } from "../html.js";
import { address, del, post, sessionPath } from "../api.js";
import { go } from "../state.js";
import { Ask, Field } from "../ui/ask.js";
import { Choice } from "../ui/parts.js";
import { say } from "../ui/toast.js";
import { oneLine } from "../text.js";

// name: "edit" | "end" | "reopen" | "delete"
export function Change({ name, session, close }) {
  const Form = { edit: Edit, end: End, reopen: Reopen, delete: Delete }[name];
  return html`<${Form} session=${session} close=${close} />`;
}

const pathOf = (session, rest) => address(sessionPath(session.session_id, rest), { user_id: session.user_id });

function End({ session, close }) {
  const [status, setStatus] = useState("completed");
  const end = async ({ reason }) => {
    await post(pathOf(session, "/end"), { status, reason: reason || null });
    close();
    say("The session has ended.");
  };
  return html`
    <${Ask} title="End this session" what="The session was not ended." submit="End it" onSubmit=${end} onClose=${close}>
      <p>Calls that come after its end count as spend, and no longer as part of it.</p>
      <${Choice} label="How it ended" value=${status} onChoose=${setStatus} options=${[["completed", "Completed"], ["failed", "Failed"], ["cancelled", "Cancelled"]]} />
      <${Field} label="Reason"><input name="reason" maxlength="1024" placeholder="None" autocomplete="off" /><//>
    <//>`;
}

function Reopen({ session, close }) {
  const reopen = async () => {
    await post(pathOf(session, "/reopen"), {});
    close();
    say("The session runs again.");
  };
  return html`
    <${Ask} title="Reopen this session?" what="The session was not reopened." submit="Reopen" onSubmit=${reopen} onClose=${close}>
      <p>It runs again, as attempt ${session.attempt + 1}.</p><//>`;
}

function Delete({ session, close }) {
  const remove = async () => {
    await del(pathOf(session));
    close();
    go("/sessions");
    say("The session is deleted.");
  };
  return html`
    <${Ask} title="Delete this session?" what="The session was not deleted." submit="Delete it" tone="bad" onSubmit=${remove} onClose=${close}>
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

// What was not touched is not sent: tags may hold commas, which nobody can tell here from those between them.
function Edit({ session, close }) {
  const [was] = useState({ title: (session.title ?? "").trim(), tags: session.tags.join(", ").trim() });
  const keep = async ({ title, tags }) => {
    const wanted = {};
    if (title !== was.title) wanted.title = title;
    if (tags !== was.tags) wanted.tags = [...new Set(tags.split(",").map((tag) => tag.trim()).filter(Boolean))];
    const kept = await post(pathOf(session, "/touch"), { ...wanted, ...timeOf(session) });
    if (wanted.title !== undefined && (kept.title ?? "") !== wanted.title) throw new Error("Something that was said later stands.");
    close();
    say("It is kept.");
  };
  return html`
    <${Ask} title="Title and tags" what="It was not taken." submit="Keep" onSubmit=${keep} onClose=${close}>
      <${Field} label="Title"><input name="title" defaultValue=${was.title} maxlength="1024" autocomplete="off" /><//>
      <${Field} label="Tags" hint="With commas between."><input name="tags" defaultValue=${was.tags} autocomplete="off" /><//>
    <//>`;
}
