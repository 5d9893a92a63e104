// What a session is, at a glance: its name, how it ended and who said so, what it cost.

import { html, useState } from "../html.js";
import { sessionUrl, sessionsUrl } from "../state.js";
import { count, exactDollars, plural, shortModel, span, tokens } from "../format.js";
import { now } from "../clock.js";
import { userName } from "../people.js";
import { Ago, Badge, Money, Status, Time } from "../ui/parts.js";
import { shortId } from "../format.js";
import { Actions } from "./actions.js";
import { oneLine, plain } from "../text.js";
import { Copy, Raw } from "./values.js";

export function Head({ session, tree, writes }) {
  const [raw, setRaw] = useState(false);
  const title = oneLine(session.title || session.label || session.goal_text, 200);
  const { label, msg_count, tool_calls, qas, traces, contents_readable, ...record } = session;
  return html`
    <header class="session-head">
      ${session.parent_id && html`<p class="session-up"><a href=${sessionUrl(session.parent_user_id ?? session.user_id, session.parent_id)} title=${oneLine(session.parent_id, 1024)}>↑ Began in ${oneLine(shortId(session.parent_id), 60)}</a></p>`}
      <div class="session-title">
        <h1 dir="auto">${title || html`<span class="muted">No title</span>`}</h1>
        <${Actions} session=${session} writes=${writes} raw=${raw} onRaw=${() => setRaw(!raw)} />
      </div>
      <${Outcome} session=${session} />
      <${Facts} session=${session} />
      <${Figures} session=${session} tree=${tree} />
      ${raw && html`<${Raw} value=${record} name="this session" />`}
    </header>`;
}

const BY = {
  client: "said by whoever recorded it", handle: "said by the program that ran it", importer: "read from the agent's own files",
  reconcile: "found out: the process that ran it is gone", hook: "said by the agent's hooks",
};

function Outcome({ session }) {
  const { effective_status: name, status } = session;
  const silent = name === "abandoned" && "it never said that it ended, and has been silent for long";
  const why = silent || (session.ended_at && session.decided_by ? BY[session.decided_by] ?? `said by ${oneLine(session.decided_by, 60)}` : "");
  return html`
    <p class="outcome">
      <${Status} name=${name} />
      ${why && html`<span class="muted" title=${`Stored as ${status}${session.decided_by ? `, decided by ${session.decided_by}` : ""}`}>${why}</span>`}
      ${session.end_reason && html`<span class=${`end-reason ${name === "failed" ? "end-reason-bad" : ""}`} dir="auto">${oneLine(session.end_reason, 500)}</span>`}
      ${name === "running" && html`<span class="muted">last sign of life <${Ago} at=${session.last_activity_at} /></span>`}
      ${session.tags.map((tag) => html`<a key=${tag} class="badge" href=${sessionsUrl({ tag })}>${oneLine(tag, 80)}</a>`)}
      ${session.clock_flagged && html`<${Badge} tone="warn" title="A time ahead of the clock was taken as now.">clock was off<//>`}
    </p>`;
}

function Facts({ session }) {
  const ended = session.ended_at ?? (session.effective_status === "running" ? null : session.last_activity_at);
  const seconds = ((ended ? Date.parse(ended) : now.value) - Date.parse(session.started_at)) / 1000;
  const place = [session.kind !== "interactive" && session.kind, session.channel].filter(Boolean).join(", ");
  return html`
    <dl class="session-facts">
      <${Fact} name="Agent">${session.agent ? html`<a href=${sessionsUrl({ agent: session.agent })}>${oneLine(session.agent, 80)}</a>` : html`<span class="muted">unknown</span>`}${place && html` <span class="muted">${place}</span>`}<//>
      <${Fact} name="Model">${session.last_model ? html`<a title=${session.last_model} href=${sessionsUrl({ model: session.last_model })}>${oneLine(shortModel(session.last_model), 80)}</a>` : html`<span class="muted">none yet</span>`}<//>
      ${session.project && html`<${Fact} name="Project"><a class="clip" title=${oneLine(session.project, 4096)} href=${sessionsUrl({ project: session.project })}><bdi>${oneLine(session.project, 300)}</bdi></a><//>`}
      <${Fact} name="User"><a title=${session.user_id} href=${sessionsUrl({ user: session.user_id })}>${oneLine(userName(session.user_id), 80)}</a>${session.actor && session.actor !== userName(session.user_id) && html` <span class="muted">${oneLine(session.actor, 80)}</span>`}<//>
      <${Fact} name="Began"><${Time} at=${session.started_at} whole=${true} /><//>
      <${Fact} name=${session.ended_at ? "Ended" : "Last active"}><${Time} at=${session.ended_at ?? session.last_activity_at} whole=${true} /> <span class="muted">${span(Math.max(0, seconds))}</span><//>
      <${Fact} name="Id" kind="fact-id"><span class="mono clip" title=${plain(session.session_id)}><bdi>${oneLine(session.session_id, 300)}</bdi></span><${Copy} text=${session.session_id} name="Copy the id" /><//>
    </dl>`;
}

const Fact = ({ name, kind = "", children }) => html`<div class=${`session-fact ${kind}`}><dt>${name}</dt><dd>${children}</dd></div>`;

function Figures({ session, tree }) {
  const whole = tree?.[0];
  const below = (whole?.sessions ?? 1) - 1;
  const input = session.tokens_in;
  const errors = [session.call_errors && plural(session.call_errors, "call"), session.step_errors && plural(session.step_errors, "step")].filter(Boolean).join(", ");
  return html`
    <div class="figures">
      <${Figure} name="Cost" value=${html`<${Money} of=${session} />`}
        note=${below > 0 ? html`<span title=${exactDollars(whole.inclusive_cost_nano_usd)}><${Money} nano=${whole.inclusive_cost_nano_usd} calls=${whole.inclusive_calls} unpriced=${whole.inclusive_unpriced_calls} /> with ${plural(below, "sub-agent")}</span>` : session.unpriced_calls > 0 ? `${plural(session.unpriced_calls, "call")} without a price not in it` : ""} />
      <${Figure} name="Tokens read" value=${html`<span title=${`${count(input)} tokens`}>${tokens(input)}</span>`} note=${input > 0 ? `${Math.round(session.cache_read_tokens / input * 100)}% from the cache` : ""} />
      <${Figure} name="Tokens written" value=${html`<span title=${`${count(session.tokens_out)} tokens`}>${tokens(session.tokens_out)}</span>`} note=${session.reasoning_tokens > 0 ? `${tokens(session.reasoning_tokens)} of them reasoning` : ""} />
      <${Figure} name="Calls" value=${count(session.calls)} note=${session.late_calls > 0 ? html`<span title="Calls after its end: spend, and no part of these figures">and ${count(session.late_calls)} late</span>` : ""} />
      <${Figure} name="Agent time" value=${span(session.agent_time_s)} note=${session.attempt > 1 ? `in ${plural(session.attempt, "attempt")}` : ""} />
      <${Figure} name="Errors" value=${count(session.error_count)} tone=${session.error_count > 0 ? "bad" : ""} note=${errors} />
    </div>`;
}

const Figure = ({ name, value, note, tone = "" }) => html`
  <div class="figure"><h2 class="figure-name">${name}</h2><p class=${`figure-value ${tone && `figure-${tone}`}`}>${value}</p>${note && html`<p class="figure-note">${note}</p>`}</div>`;
