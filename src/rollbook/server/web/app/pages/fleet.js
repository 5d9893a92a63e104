// The fleet at a glance: how much, when, what runs, what needs a look, and what it costs by what.

import { html, useEffect, useRef } from "../html.js";
import { range } from "../state.js";
import { useAnswer } from "../asking.js";
import { eachMinute } from "../clock.js";
import { learn } from "../people.js";
import { Shown } from "../ui/states.js";
import { NoSessions } from "../ui/none.js";
import { Cards } from "../fleet/cards.js";
import { Spend } from "../fleet/spend.js";
import { Running } from "../fleet/running.js";
import { FAILING, Look } from "../fleet/look.js";
import { Costs } from "../fleet/costs.js";

const LIST = "/api/v1/sessions";
const NOW = { range: "all", limit: 8 };
const SOON = { live: true, every: 800 };
const LATER = { live: true, every: 3000 }; // what is counted over many sessions, while very much changes

export default function Fleet() {
  const time = range.value;
  const stats = useAnswer(`${LIST}/stats`, time, SOON);
  const running = useAnswer(LIST, { ...NOW, status: "running", order_by: "started_at" }, SOON);
  const lists = [
    useAnswer(LIST, { ...NOW, status: "running", descending: false }, LATER), // silent for longest
    useAnswer(LIST, { ...NOW, query: FAILING }, LATER),
    ...["unknown", "failed", "abandoned"].map((status) => useAnswer(LIST, { status, ...time, limit: 8 }, LATER)),
  ];
  const costly = useAnswer(stats.data && LIST, { ...time, order_by: "cost_usd", limit: 8 }, LATER);
  const models = useAnswer(`${LIST}/cost-by-model`, time, LATER);
  const agents = useAnswer(`${LIST}/cost-by-user-agent`, time, LATER);
  useEffect(() => { if (agents.data) learn(agents.data); }, [agents.data]);
  // Ranges go on, and who is silent for long is abandoned.
  const all = useRef(null);
  all.current = [stats, running, ...lists, costly, models, agents];
  useEffect(() => eachMinute(() => all.current.forEach((asked) => asked.again())), []);
  const none = stats.data?.sessions === 0;
  return html`
    <h1 class="unseen">Fleet</h1>
    <div class="fleet">
      <${Shown} asked=${stats} what="The figures cannot be shown." rows=${3}>${(data) => (none ? html`<${NoSessions} />` : html`<${Cards} stats=${data} />`)}<//>
      <${Spend} none=${none} />
      ${!(none && running.data?.total === 0) && html`<div class="now">
        <${Running} asked=${running} />
        <${Look} lists=${lists} costly=${costly} stats=${stats} />
      </div>`}
      ${!none && html`<${Costs} models=${models} agents=${agents} />`}
    </div>`;
}
