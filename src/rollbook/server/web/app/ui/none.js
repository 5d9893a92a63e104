// No session at all, or none in the range that is chosen: what to do about it is not the same.

import { html } from "../html.js";
import { since, range, setRange } from "../state.js";
import { within } from "../format.js";
import { useAnswer } from "../asking.js";
import { me } from "../people.js";
import { Empty, Loading } from "./states.js";

export function NoSessions() {
  const all = since.value === "all" && !range.value.until;
  const ever = useAnswer(all ? null : "/api/v1/sessions/stats", { since: "all" }, { live: true });
  if (!all && !ever.data && !ever.error) return html`<${Loading} rows=${1} />`;
  if (!all && ever.data?.sessions !== 0) {
    return html`<${Empty} title=${`No session was active ${within(range.value)}.`}>
      <button type="button" class="button" onClick=${() => setRange("all")}>Look at all time</button><//>`;
  }
  return html`<${Empty} title=${me.value.everybody ? "This book is empty." : "There is no session that is yours to see."}>
    Sessions appear here by themselves as soon as one is recorded: by <code>rollbook import</code>, a hook, telemetry, or the library.<//>`;
}
