// What runs now: since when each was silent, and a pulse with each sign of life.

import { html, useEffect, useRef, useState } from "../html.js";
import { sessionsUrl } from "../state.js";
import { now } from "../clock.js";
import { count, exact, roughly, span } from "../format.js";
import { oneLine } from "../text.js";
import { userName } from "../people.js";
import { Money, Section } from "../ui/parts.js";
import { Empty, Shown } from "../ui/states.js";
import { followLink, SessionLink } from "../ui/session.js";
import { keyOfSession, useSteady } from "../ui/steady.js";

export const SHOWN = 7;
export const SILENT_S = 300; // after which a running session is worth a look
const PULSE_MS = 1200;

const FRESH_S = 600; // of which minutes say enough

const runsFor = (seconds) => (seconds < FRESH_S ? roughly(seconds) : span(Math.floor(seconds / 60) * 60));

export const idleOf = (session) => (now.value - Date.parse(session.last_activity_at)) / 1000;

export function Running({ asked }) {
  const all = asked.data ? html`<a class="link" href=${sessionsUrl({ status: "running" }, { since: "all" })}>All ${count(asked.data.total)}</a>` : null;
  return html`
    <${Section} title="Running now" aside=${asked.data?.total > SHOWN && all}>
      <${Shown} asked=${asked} what="What runs cannot be listed." rows=${SHOWN}>${(page) => html`<${Lines} sessions=${page.sessions.slice(0, SHOWN)} />`}<//>
    <//>`;
}

function Lines({ sessions }) {
  const steady = useSteady(sessions, keyOfSession);
  if (!steady.rows.length) return html`<${Empty} title="Nothing runs now.">Sessions stand here from their first sign of life until they end or stay silent for long.<//>`;
  return html`
    <table class="table lines running" aria-label="Running sessions" ...${steady.hold}>
      <thead><tr><th scope="col">Session</th><th scope="col" class="right runs-for">Runs for</th><th scope="col" class="right">Silent for</th><th scope="col" class="right">Cost</th></tr></thead>
      <tbody>${steady.rows.map(({ row, gone }) => html`<${Line} key=${keyOfSession(row)} session=${row} gone=${gone} />`)}</tbody>
    </table>`;
}

function Line({ session, gone }) {
  const idle = idleOf(session);
  return html`
    <tr class=${gone ? "gone" : null} onClick=${followLink}>
      <td class="fill"><div class="line-title"><${Pulse} at=${session.last_activity_at} calm=${idle > SILENT_S} gone=${gone} /><${SessionLink} session=${session} /></div>
        <div class="line-more clip"><bdi>${oneLine(session.agent ?? "no agent", 120)}</bdi> · <bdi>${userName(session.user_id)}</bdi></div></td>
      <td class="right muted runs-for"><time datetime=${session.started_at} title=${`Since ${exact(session.started_at)}`}>${runsFor((now.value - Date.parse(session.started_at)) / 1000)}</time></td>
      <td class=${`right ${idle > SILENT_S ? "silent" : ""}`}><time datetime=${session.last_activity_at} title=${exact(session.last_activity_at)}>${gone ? "ended" : roughly(idle)}</time></td>
      <td class="right"><${Money} of=${session} /></td>
    </tr>`;
}

// A dot that beats once with every sign of life.
function Pulse({ at, calm, gone }) {
  const before = useRef(at);
  const [beats, setBeats] = useState(false);
  useEffect(() => {
    if (before.current === at) return undefined;
    before.current = at;
    setBeats(true);
    const timer = setTimeout(() => setBeats(false), PULSE_MS);
    return () => clearTimeout(timer);
  }, [at]);
  return html`<i class=${["pulse", beats && "pulse-beats", calm && "pulse-calm", gone && "pulse-gone"].filter(Boolean).join(" ")} aria-hidden="true"></i>`;
}
