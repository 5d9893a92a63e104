// What a session keeps beside its entries: its state, the graph knowledge it was given, what is known of it.

import { html } from "../html.js";
import { Section } from "../ui/parts.js";
import { oneLine, plain } from "../text.js";
import { Value } from "./values.js";

const GRAPH = "graph_context"; // a key of the state

export function Kept({ values, session }) {
  const state = Object.entries(values ?? {}).filter(([key]) => key !== GRAPH);
  const graph = values?.[GRAPH];
  const metadata = Object.entries(session.metadata ?? {});
  return html`
    ${session.goal_text && session.goal_text !== session.title && html`<${Section} title="Goal" kind="kept"><p class="goal" dir="auto">${plain(session.goal_text)}</p><//>`}
    ${graph !== undefined && graph !== null && html`<${Section} title="Graph context" kind="kept"><${Value} value=${graph} label="Graph context" /><//>`}
    ${state.length > 0 && html`<${Section} title="State" kind="kept"><${Pairs} pairs=${state} /><//>`}
    ${metadata.length > 0 && html`<${Section} title="Metadata" kind="kept"><${Pairs} pairs=${metadata} /><//>`}`;
}

const SHORT = 60;
const isShort = (value) => typeof value !== "object" && String(value).length <= SHORT && !String(value).includes("\n");

const Pairs = ({ pairs }) => html`
  <dl class="pairs">${pairs.map(([key, value]) => html`<div key=${key} class=${isShort(value) ? "pair-short" : null}><dt title=${oneLine(key, 300)}>${oneLine(key, 300)}</dt>
    <dd>${isShort(value) ? html`<span class="mono" dir="auto">${plain(String(value))}</span>` : html`<${Value} value=${value} label=${oneLine(key, 120)} />`}</dd></div>`)}</dl>`;
