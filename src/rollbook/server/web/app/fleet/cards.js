// The figures of all sessions that were active within the range, each with what it leaves out.

import { html } from "../html.js";
import { sessionsUrl } from "../state.js";
import { compact, count, percent, plural, span, moneyTitle, isUnpriced, dollars, UNPRICED } from "../format.js";
import { Card } from "../ui/parts.js";

const STATES = ["running", "completed", "failed", "abandoned", "cancelled", "unknown"];

export function Cards({ stats }) {
  const priced = stats.calls - stats.unpriced_calls;
  const decided = stats.sessions - stats.running;
  return html`
    <div class="cards">
      <${Sessions} stats=${stats} />
      <${Card} title="Spend" value=${spent(stats)} href=${sessionsUrl({}, { sort: "cost_usd" })} note=${spendNote(stats, priced)} />
      <${Card} title="Tokens" value=${html`<span title=${count(stats.tokens_total)}>${compact(stats.tokens_total)}</span>`} href=${sessionsUrl({}, { sort: "tokens_in" })}
        note=${html`${compact(stats.tokens_in)} read, ${compact(stats.tokens_out)} written; calls after a session's end not counted`} />
      <${Card} title="Agent time" value=${span(stats.agent_time_s)} href=${sessionsUrl()}
        note=${stats.sessions ? `${span(stats.avg_session_s)} a session; pauses between attempts not counted` : ""} />
      <${Card} title="Success rate" value=${decided ? percent(stats.success_rate) : "–"} href=${sessionsUrl({ status: "completed" })}
        note=${decided ? html`${count(stats.completed)} of <a href=${sessionsUrl("-status:running")}>${count(decided)} that run no more</a>${stats.running > 0 && html`; <a href=${sessionsUrl({ status: "running" })}>${count(stats.running)} still running</a> not counted`}` : "All of them still run"} />
    </div>`;
}

function spent(stats) {
  const none = isUnpriced(stats.total_spend_nano_usd, stats.calls, stats.unpriced_calls);
  return html`<span title=${moneyTitle(stats.total_spend_nano_usd, stats.calls, stats.unpriced_calls)}>${none ? UNPRICED : dollars(stats.total_spend_nano_usd)}</span>`;
}

function spendNote(stats, priced) {
  if (!stats.calls) return "No call yet";
  const unpriced = stats.unpriced_calls > 0
    && html`<a href=${sessionsUrl({ unpriced: "yes" })}>${plural(stats.unpriced_calls, "call")} without a price</a> not in it`;
  return html`${unpriced || "Every call has a price"}${priced > 0 && html`; ${dollars(stats.avg_spend_per_session_usd * 1e9)} a session`}`;
}

function Sessions({ stats }) {
  const there = STATES.filter((name) => stats[name] > 0);
  return html`
    <${Card} title="Sessions" value=${count(stats.sessions)} href=${sessionsUrl()}>
      <${StateBar} stats=${stats} there=${there} />
      <ul class="states">${there.map((name) => html`
        <li key=${name}><a class=${`status status-${name}`} href=${sessionsUrl({ status: name })}><i aria-hidden="true"></i>${count(stats[name])} ${name}</a></li>`)}</ul>
    <//>`;
}

function StateBar({ stats, there }) {
  let left = 0;
  return html`
    <svg class="state-bar" viewBox="0 0 1000 6" preserveAspectRatio="none" aria-hidden="true">${there.map((name) => {
      const wide = (stats[name] / stats.sessions) * 1000;
      left += wide;
      return html`<rect key=${name} class=${`fill-${name}`} x=${left - wide} width=${Math.max(1, wide - 3)} height="6" />`;
    })}</svg>`;
}
