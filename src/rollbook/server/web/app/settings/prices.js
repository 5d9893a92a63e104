// By which prices calls are priced, and which models have none.

import { html } from "../html.js";
import { useAnswer } from "../asking.js";
import { count } from "../format.js";
import { sessionsUrl } from "../state.js";
import { Section, Table } from "../ui/parts.js";
import { Shown } from "../ui/states.js";
import { Facts } from "./parts.js";

const LATER_MS = 5000;

export function Prices() {
  const asked = useAnswer("/api/v1/prices");
  const models = useAnswer("/api/v1/sessions/cost-by-model", { range: "all" }, { live: true, every: LATER_MS });
  return html`
    <${Section} title="Prices" note="What is in force; each ledger row names the version by which it was priced.">
      <${Shown} asked=${asked} what="Prices cannot be shown." rows=${2}>${(prices) => html`
        <${Facts} lines=${[
          ["Your own file", prices.own ? own(prices.own) : html`<span class="muted">none; <code>ROLLBOOK_PRICES</code> names one</span>`],
          [prices.own ? "Then" : "Tables", html`<code>${prices.tables}</code>`],
        ]} />`}<//>
      <${Shown} asked=${models} what="Models without a price cannot be shown." rows=${2}>${(lines) => html`<${Unpriced} lines=${lines.filter((it) => it.unpriced_calls > 0)} />`}<//>
    <//>`;
}

const own = (file) => html`
  ${file.version && html`<code>${file.version}</code> `}${file.path && html`<span class="muted">${file.path}</span>`}
  ${file.problem && html`<p class="warned">${file.problem}</p>`}`;

function Unpriced({ lines }) {
  if (!lines.length) return html`<p class="well">Every call that you see has a price.</p>`;
  return html`
    <${Table} label="Models without a price" rows=${lines} keyOf=${(it) => it.model} columns=${[
      { key: "model", title: "Models without a price", kind: "fill", cell: (it) => html`<a class="mono" href=${sessionsUrl({ model: it.model }, { since: "all" })}>${it.model}</a>` },
      { key: "calls", title: "Calls", right: true, cell: (it) => count(it.unpriced_calls) },
    ]} />
    <p class="after muted">Put a price into a file of your own, or take a newer version of the tables; then <code>rollbook reprice</code> prices them.</p>`;
}
