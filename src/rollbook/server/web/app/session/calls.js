// Cost and tokens of each call, in the order in which they were made. Hovering tells of one; a click goes to where it led.

import { html, useEffect, useMemo, useRef, useSignalEffect, useState } from "../html.js";
import { compact, count, dollars, exact, exactDollars, plural, roundDollars, shortModel, timeOfDay } from "../format.js";
import { Choice, Section } from "../ui/parts.js";
import { oneLine } from "../text.js";
import { Bars, placesOf } from "./bars.js";

const HEIGHT = 132;

// The ledger's rows as the calls that they come to: what was taken back is none, what was amended has its last amounts.
export function callsOf(rows) {
  const found = new Map();
  for (const row of rows) {
    if (row.late) continue;
    const sum = found.get(row.usage_id);
    found.set(row.usage_id, sum ? added(sum, row) : { ...row });
  }
  return [...found.values()].filter((call) => call.calls > 0).sort((one, other) => (one.occurred_at < other.occurred_at ? -1 : one.occurred_at > other.occurred_at ? 1 : 0));
}

const SUMS = ["calls", "tokens_in", "tokens_out", "cache_read"];

function added(sum, row) {
  const made = { ...sum, errored: row.entry === "reversal" ? sum.errored : row.errored, model: row.model ?? sum.model };
  for (const name of SUMS) made[name] = sum[name] + row[name];
  made.cost_nano_usd = sum.cost_nano_usd === null && row.cost_nano_usd === null ? null : (sum.cost_nano_usd ?? 0) + (row.cost_nano_usd ?? 0);
  return made;
}

// What is shown of each call, from the ground up.
const LINES = {
  cost: [["Cost", "--mark-1", (call) => (call.cost_nano_usd ?? 0) / 1e9]],
  tokens: [["Read from the cache", "--mark-rest", (call) => call.cache_read], ["Read anew", "--mark-1", (call) => call.tokens_in - call.cache_read], ["Written", "--mark-2", (call) => call.tokens_out]],
};

// sight: a signal with the time (from and to, ms) of the entries that are in sight; those calls are marked.
export function Calls({ calls, more, onCall, sight }) {
  const [what, setWhat] = useState("cost");
  const [at, setAt] = useState(null);
  const layers = useMemo(() => LINES[what].map(([, mark, value]) => [mark, calls.map(value)]), [calls, what]);
  const latest = useRef(calls);
  latest.current = calls;
  const band = useRef(null);
  useSignalEffect(() => mark(band.current, latest.current, sight.value));
  useEffect(() => mark(band.current, calls, sight.peek()), [calls]);
  if (!calls.length) return null;
  const label = `${what === "cost" ? "Cost" : "Tokens"} of each of ${plural(calls.length, "call")}, in their order`;
  const call = (at !== null && calls[at]) || null;
  return html`
    <${Section} title="Calls" kind="calls" aside=${html`<${Choice} label="Show of each call" value=${what} onChoose=${setWhat} options=${[["cost", "Cost"], ["tokens", "Tokens"]]} />`}>
      <${Bars} layers=${layers} height=${HEIGHT} label=${label} band=${band} onPoint=${setAt} onPick=${onCall}
        nameX=${(place) => timeOfDay(calls[place].occurred_at).slice(0, 5)} nameY=${what === "cost" ? roundDollars : compact} />
      <p class="calls-said">${call ? html`<${Told} call=${call} />` : html`<${Legend} what=${what} calls=${calls} more=${more} />`}</p>
    <//>`;
}

// Where in all of it one is: a band over the calls of the entries that are in sight.
function mark(band, calls, seen) {
  if (!band) return;
  const first = seen ? calls.findIndex((call) => Date.parse(call.occurred_at) >= seen[0]) : -1;
  const past = first < 0 ? -1 : calls.findIndex((call, place) => place >= first && Date.parse(call.occurred_at) > seen[1]);
  const last = past < 0 ? calls.length - 1 : past - 1;
  band.hidden = !(first >= 0 && last >= first && last - first < calls.length - 1);
  if (!band.hidden) Object.assign(band.style, placesOf(first, last, calls.length));
}

function Legend({ what, calls, more }) {
  const failed = calls.reduce((sum, call) => sum + (call.errored ? 1 : 0), 0);
  const unpriced = calls.reduce((sum, call) => sum + (call.cost_nano_usd === null ? 1 : 0), 0);
  return html`
    <span>${more ? `The first ${plural(calls.length, "call")}` : plural(calls.length, "call")}</span>
    ${failed > 0 && html`<span class="bad">${count(failed)} failed</span>`}
    ${what === "cost" && unpriced > 0 && html`<span>${count(unpriced)} without a price</span>`}
    ${what === "tokens" && LINES.tokens.map(([name, mark]) => html`<span key=${name} class="legend-mark"><i class=${`mark mark${mark.slice(6)}`} aria-hidden="true"></i>${name}</span>`)}`;
}

const Told = ({ call }) => html`
  <time datetime=${call.occurred_at} title=${exact(call.occurred_at)}>${timeOfDay(call.occurred_at)}</time>
  <strong>${oneLine(shortModel(call.model ?? "unknown model"), 60)}</strong>
  <span title=${call.cost_nano_usd === null ? "" : exactDollars(call.cost_nano_usd)}>${call.cost_nano_usd === null ? "unpriced" : dollars(call.cost_nano_usd)}</span>
  <span>${count(call.tokens_in)} read, ${count(call.cache_read)} of them cached</span><span>${count(call.tokens_out)} written</span>${call.errored && html`<span class="bad">failed</span>`}`;
