// What sessions cost by model, by agent and by user: each adds up to the spend of all.

import { html, useState } from "../html.js";
import { sessionsUrl } from "../state.js";
import { compact, count, shortModel, tokens } from "../format.js";
import { oneLine } from "../text.js";
import { userName } from "../people.js";
import { Bar, Money, Section } from "../ui/parts.js";
import { followLink } from "../ui/session.js";
import { Empty, Shown } from "../ui/states.js";

const SHOWN = 6;
const MORE = 50; // of what may be thousands

const modelLines = (rows) => rows.map((row) => ({ ...row, key: row.model, name: shortModel(row.model), query: { model: row.model } }));
const agentLines = (rows) => gathered(rows, (row) => row.agent, (row) => ({ name: row.agent === "unknown" ? "no agent" : row.agent, query: { agent: row.agent === "unknown" ? "none" : row.agent } }));
const userLines = (rows) => gathered(rows, (row) => row.user_id, (row) => ({ name: row.user_name ?? userName(row.user_id), query: { user: row.user_id } }));

function gathered(rows, keyOf, more) {
  const found = new Map();
  for (const row of rows) {
    const key = keyOf(row);
    const into = found.get(key) ?? { key, ...more(row), session_count: 0, tokens_in: 0, tokens_out: 0, calls: 0, unpriced_calls: 0, cost_nano_usd: 0 };
    for (const name of ["session_count", "tokens_in", "tokens_out", "calls", "unpriced_calls", "cost_nano_usd"]) into[name] += row[name];
    found.set(key, into);
  }
  return [...found.values()].sort((left, right) => right.cost_nano_usd - left.cost_nano_usd || right.tokens_in - left.tokens_in);
}

export const Costs = ({ models, agents }) => html`
  <div class="costs">
    <${Part} title="Cost by model" head="Model" asked=${models} linesOf=${modelLines} />
    <${Part} title="Cost by agent" head="Agent" asked=${agents} linesOf=${agentLines} />
    <${Part} title="Cost by user" head="User" asked=${agents} linesOf=${userLines} />
  </div>`;

const Part = ({ title, head, asked, linesOf }) => html`
  <${Section} title=${title}>
    <${Shown} asked=${asked} what="What sessions cost cannot be shown." rows=${4}>${(rows) => html`<${Lines} title=${title} head=${head} lines=${linesOf(rows)} />`}<//>
  <//>`;

function Lines({ title, head, lines }) {
  const [shown, setShown] = useState(SHOWN);
  if (!lines.length) return html`<${Empty} title="No session yet." />`;
  const most = Math.max(...lines.map((line) => line.cost_nano_usd));
  return html`
    <table class="table cost-table" aria-label=${title}>
      <thead><tr><th scope="col">${head}</th><th scope="col" class="right">Sessions</th><th scope="col" class="right tokens">Tokens</th><th scope="col" class="right">Cost</th></tr></thead>
      <tbody>${lines.slice(0, shown).map((line) => html`
        <tr key=${line.key} onClick=${followLink}>
          <td class="fill"><a class="clip" href=${sessionsUrl(line.query, { sort: "cost_usd" })} title=${oneLine(line.key, 512)}>${oneLine(line.name, 120)}</a><${Bar} share=${most ? line.cost_nano_usd / most : 0} /></td>
          <td class="right muted">${count(line.session_count)}</td>
          <td class="right muted tokens" title=${`${compact(line.tokens_in)} read, ${compact(line.tokens_out)} written`}>${tokens(line.tokens_in + line.tokens_out)}</td>
          <td class="right"><${Money} of=${line} /></td>
        </tr>`)}</tbody>
    </table>
    ${lines.length > shown && html`<button type="button" class="quiet more" onClick=${() => setShown(shown + MORE)}>${count(lines.length - shown)} more</button>`}
    ${shown > SHOWN && lines.length > SHOWN && html`<button type="button" class="quiet more" onClick=${() => setShown(SHOWN)}>Fewer</button>`}`;
}
