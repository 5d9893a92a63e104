// The fleet at a glance: how much, when, what runs, what needs a look, and what it costs by what.

import { html, useEffect } from "../html.js";
import { since } from "../state.js";
import { useAnswer } from "../asking.js";
import { learn } from "../people.js";
import { Shown, Empty } from "../ui/states.js";
import { Cards } from "../fleet/cards.js";
import { Spend } from "../fleet/spend.js";
import { Running } from "../fleet/running.js";
import { Look } from "../fleet/look.js";
import { Costs } from "../fleet/costs.js";

const LIST = "/api/v1/sessions";
const SOON = { live: true, every: 800 };
const LATER = { live: true, every: 3000 }; // what is counted over many sessions, while very much changes
const MANY = 50000; // sessions, of which it takes long to find the costliest: those of the last day are looked at alone

export default function Fleet() {
  const range = since.value;
  const stats = useAnswer(`${LIST}/stats`, { since: range }, SOON);
  const running = useAnswer(LIST, { status: "running", range: "all", order_by: "started_at", limit: 50 }, SOON);
  const failed = useAnswer(LIST, { status: "failed", since: range, limit: 8 }, LATER);
  const crashed = useAnswer(LIST, { status: "unknown", since: range, limit: 8 }, LATER);
  const abandoned = useAnswer(LIST, { status: "abandoned", since: range, limit: 8 }, LATER);
  const costly = useAnswer(stats.data && LIST, { since: stats.data?.sessions > MANY ? "24h" : range, order_by: "cost_usd", limit: 8 }, LATER);
  const models = useAnswer(`${LIST}/cost-by-model`, { since: range }, LATER);
  const agents = useAnswer(`${LIST}/cost-by-user-agent`, { since: range }, LATER);
  useEffect(() => { if (agents.data) learn(agents.data); }, [agents.data]);
  return html`
    <h1 class="unseen">Fleet</h1>
    <div class="fleet">
      <${Shown} asked=${stats} what="The figures cannot be shown." rows=${3}>${(data) => (data.sessions ? html`<${Cards} stats=${data} />` : html`<${Nothing} range=${range} />`)}<//>
      <${Spend} />
      <div class="now">
        <${Running} asked=${running} />
        <${Look} lists=${[running, crashed, failed, abandoned]} costly=${costly} stats=${stats} />
      </div>
      <${Costs} models=${models} agents=${agents} />
    </div>`;
}

const Nothing = ({ range }) => (range === "all"
  ? html`<${Empty} title="This book is empty.">Sessions appear here by themselves as soon as one is recorded: by <code>rollbook import</code>, a hook, telemetry, or the library.<//>`
  : html`<${Empty} title="No session was active in this range.">Choose a longer one above.<//>`);
