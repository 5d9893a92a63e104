// What needs a look: sessions that crashed, failed, fell silent, fail often, or cost far more than others do.

import { html } from "../html.js";
import { sessionsUrl } from "../state.js";
import { count, dollars, plural, roughly } from "../format.js";
import { oneLine } from "../text.js";
import { userName } from "../people.js";
import { Ago, Badge, Section } from "../ui/parts.js";
import { Empty, Failure, Loading } from "../ui/states.js";
import { followLink, SessionLink } from "../ui/session.js";
import { keyOfSession, useSteady } from "../ui/steady.js";
import { SHOWN, SILENT_S, idleOf } from "./running.js";

const COSTLY_TIMES = 5; // so many times the average of a session
const COSTLY_NANO = 1e9; // and at least a dollar
const FAILING_SHARE = 0.2;
const FAILING_LEAST = 3;
export const FAILING = `status:running errors>=${FAILING_LEAST}`;
const EACH = 2; // of one kind, before others had their turn
const COSTLY = "Costly";

// What is said of a session that needs a look, the gravest first; null for one that does not.
function reasonOf(session, average) {
  const status = session.effective_status;
  if (status === "unknown") return ["Crashed", "bad", session.end_reason || "its process is gone"];
  if (status === "failed") return ["Failed", "bad", session.end_reason || (session.error_count ? plural(session.error_count, "error") : "nothing is said of why")];
  if (status === "running" && idleOf(session) > SILENT_S) return ["Silent", "warn", `no sign of life for ${roughly(idleOf(session))}`];
  if (status === "running" && failing(session)) return ["Failing", "warn", `${count(session.error_count)} errors in ${plural(session.calls, "call")}`];
  if (status === "abandoned") return ["Abandoned", "warn", "fell silent and never ended"];
  if (costly(session, average)) return [COSTLY, "", `${dollars(session.cost_nano_usd)}, ${Math.round(session.cost_nano_usd / average)} times the average`];
  return null;
}

const failing = (session) => session.error_count >= FAILING_LEAST && session.error_count >= FAILING_SHARE * session.calls;
const costly = (session, average) => average > 0 && session.cost_nano_usd >= COSTLY_NANO && session.cost_nano_usd >= COSTLY_TIMES * average;

// The costliest take longest to be found: the others do not wait for them.
export function Look({ lists, costly, stats }) {
  const all = [...lists, costly];
  const failed = all.find((asked) => asked.error);
  const waits = lists.some((asked) => asked.data === null && !asked.error) || (stats.data === null && !stats.error);
  const average = stats.data?.sessions ? stats.data.total_spend_nano_usd / stats.data.sessions : 0;
  const shown = waits ? [] : chosen(all.flatMap((asked) => asked.data?.sessions ?? []), average);
  return html`
    <${Section} title="Needs a look" aside=${stats.data && html`<${Counts} stats=${stats.data} />`}>
      ${failed && html`<${Failure} error=${failed.error} what="Not all that needs a look can be shown." again=${() => all.forEach((asked) => asked.again())} />`}
      ${waits && html`<${Loading} rows=${SHOWN} />`}
      ${!waits && (shown.length > 0 || !failed) && html`<${Lines} found=${shown} />`}
    <//>`;
}

// The newest two of each kind and the two costliest, then others until there are enough, in the order of time.
function chosen(sessions, average) {
  const found = new Map();
  for (const session of sessions) {
    const reason = reasonOf(session, average);
    if (reason) found.set(keyOfSession(session), { session, reason });
  }
  const kinds = new Map();
  for (const each of [...found.values()].sort(newer)) kinds.set(each.reason[0], [...(kinds.get(each.reason[0]) ?? []), each]);
  kinds.get(COSTLY)?.sort((left, right) => right.session.cost_nano_usd - left.session.cost_nano_usd);
  const first = Array.from({ length: EACH }, (_, turn) => [...kinds.values()].flatMap((each) => each.slice(turn, turn + 1))).flat();
  const others = [...kinds.values()].flatMap((each) => each.slice(EACH)).sort(newer);
  return [...first, ...others].slice(0, SHOWN).sort(newer);
}

const newer = (left, right) => (left.session.last_activity_at < right.session.last_activity_at ? 1 : -1);

function Counts({ stats }) {
  const kinds = [["unknown", "crashed"], ["failed", "failed"], ["abandoned", "abandoned"]].filter(([name]) => stats[name] > 0);
  return html`<span class="counts">${kinds.map(([name, says]) => html`<a key=${name} href=${sessionsUrl({ status: name })}>${count(stats[name])} ${says}</a>`)}</span>`;
}

function Lines({ found }) {
  const steady = useSteady(found, (each) => keyOfSession(each.session));
  if (!steady.rows.length) return html`<${Empty} title="Nothing needs a look.">No session crashed, failed, fell silent or cost far more than others.<//>`;
  return html`
    <table class="table lines look" aria-label="Sessions that need a look" ...${steady.hold}>
      <thead><tr><th scope="col">Session</th><th scope="col">Why</th><th scope="col" class="right">Last active</th></tr></thead>
      <tbody>${steady.rows.map(({ row: { session, reason: [name, tone, why] }, gone }) => html`
        <tr key=${keyOfSession(session)} class=${gone ? "gone" : null} onClick=${followLink}>
          <td class="fill"><${SessionLink} session=${session} /><div class="line-more clip" title=${oneLine(why, 512)}><bdi>${oneLine(why)}</bdi> · <bdi>${userName(session.user_id)}</bdi></div></td>
          <td><${Badge} tone=${tone}>${name}<//></td>
          <td class="right muted"><${Ago} at=${session.last_activity_at} /></td>
        </tr>`)}</tbody>
    </table>`;
}
