// Spend over time, by when calls happened, stacked by model or agent.

import { html, useMemo, useState } from "../html.js";
import { range, since, sessionsUrl, go } from "../state.js";
import { useAnswer } from "../asking.js";
import { count, dollars, exactDollars, money, moneyTitle, plural, roundDollars, shortModel, within, zone } from "../format.js";
import { oneLine } from "../text.js";
import { Choice, Section } from "../ui/parts.js";
import { Empty, Shown } from "../ui/states.js";
import { Chart, axis } from "../ui/chart.js";
import { colour } from "../ui/colour.js";
import { followLink } from "../ui/session.js";
import { byOf, periodsOf, shortened, total } from "./periods.js";

const LINES = 6; // that have a colour of their own
const HEIGHT = 208;
const EVERY_MS = 2500;
const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const month = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric" });

// none: there is no session; what was spent on others is shown all the same.
export function Spend({ none }) {
  const [stack, setStack] = useState("model");
  const by = byOf(range.value, Date.now());
  const asked = useAnswer("/api/v1/spend/series", { by, stack, ...range.value, tz: zone }, { live: true, every: EVERY_MS });
  if (none && !asked.error && !asked.data?.lines.length) return null;
  const choice = html`<${Choice} label="Stacked by" value=${stack} onChoose=${setStack} options=${[["model", "By model"], ["agent", "By agent"]]} />`;
  return html`
    <${Section} title="Spend over time" kind="spend" aside=${choice}
      note="By when calls were made; those after a session's end and of deleted sessions are in it.">
      <${Shown} asked=${asked} what="Spend over time cannot be shown." rows=${6}>${(series) => html`<${Stacked} series=${series} stack=${stack} />`}<//>
    <//>`;
}

function Stacked({ series, stack }) {
  const shown = useMemo(() => periodsOf(series, range.value, Date.now()), [series]);
  const lines = useMemo(() => shortened(shown.lines, LINES), [shown]);
  const [at, setAt] = useState(null);
  if (!lines.length) return html`<${Empty} title=${within(range.value) ? `No call was made ${within(range.value)}.` : "No call yet."} />`;
  return html`
    <div class="spend-parts">
      <div class="spend-chart"><${Bars} shown=${shown} lines=${lines} onPoint=${setAt} /></div>
      <${Legend} shown=${shown} lines=${lines} stack=${stack} at=${at < shown.starts.length ? at : null} />
    </div>`;
}

// of(values): what they come to.
const sumOf = (lines, of) => Object.fromEntries(["nano", "calls", "unpriced"].map((name) => [name, lines.reduce((sum, line) => sum + of(line[name]), 0)]));

const markOf = (line, place) => (line.rest || line.deleted || place >= LINES ? "rest" : place + 1);

function Bars({ shown, lines, onPoint }) {
  const data = useMemo(() => stacked(shown, lines), [shown, lines]);
  const shape = `${shown.step} ${lines.map((line, place) => markOf(line, place)).join()}`;
  const sum = sumOf(lines, total);
  const label = `Spend ${within(range.value)}: ${money(sum.nano, sum.calls, sum.unpriced)} in all. What each line comes to stands in the list beside it.`;
  const options = (uPlot) => ({
    padding: [8, 14, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: { x: { range: (plot) => [plot.data[0][0], plot.data[0].at(-1) + width(plot)] }, y: { range: (plot, low, high) => [0, high > 0 ? high * 1.06 : 1] } },
    axes: [axis({ grid: { show: false }, values: (plot, values) => values.map((value) => (value > plot.data[0].at(-1) ? "" : tick(shown.step, value * 1000))), space: 72, size: 26 }),
      axis({ values: (plot, values) => values.map(roundDollars), size: 48, space: 42 })],
    series: [{}, ...lines.map((line, place) => ({
      fill: () => colour(`--mark-${markOf(line, place)}`), width: 0, points: { show: false },
      paths: uPlot.paths.bars({ size: [0.82, 48], align: 1 }),
    })).reverse()],
    hooks: {
      setCursor: [(plot) => onPoint(lit(plot, pointed(plot)))],
      ready: [(plot) => plot.over.addEventListener("click", () => open(plot.data[0], pointed(plot), width(plot)))],
    },
  });
  return html`<${Chart} data=${data} options=${options} shape=${shape} height=${HEIGHT} label=${label} />`;
}

// Each bar reaches from the ground to its upper edge; those that reach highest are drawn first.
function stacked(shown, lines) {
  const sums = new Array(shown.starts.length).fill(0);
  const tops = lines.map((line) => line.nano.map((nano, place) => { sums[place] += nano; return sums[place] / 1e9; }));
  return [shown.starts.map((at) => at / 1000), ...tops.reverse()];
}

const width = (plot) => (plot.data[0].length > 1 ? plot.data[0][1] - plot.data[0][0] : 3600);

// The bar over which the pointer is; null where it is over none.
function pointed(plot) {
  if (!(plot.cursor.left >= 0)) return null;
  const at = plot.posToVal(plot.cursor.left, "x");
  const place = plot.data[0].findLastIndex((start) => start <= at);
  return place < 0 ? null : place;
}

// Shade that bar and what is above it.
function lit(plot, place) {
  const left = place === null ? 0 : plot.valToPos(plot.data[0][place], "x");
  const right = place === null ? 0 : plot.valToPos(plot.data[0][place] + width(plot), "x");
  plot.setSelect({ left, width: (right - left) * 0.82, top: 0, height: plot.bbox.height / devicePixelRatio }, false);
  return place;
}

function open(xs, place, wide) {
  if (place === null) return;
  go(ranIn(xs[place] * 1000, (xs[place + 1] ?? xs[place] + wide) * 1000));
}

// The sessions that ran at some time of a period; some may have gone on behind the end of the range.
function ranIn(start, end) {
  const text = (at) => `${new Date(at).toISOString().slice(0, 19)}Z`;
  return sessionsUrl(`active>=${text(start)} started<${text(end)}`, { since: since.value });
}

function tick(step, ms) {
  const at = new Date(ms);
  if (step === "month") return at.getMonth() === 0 ? String(at.getFullYear()) : month.format(at).slice(0, 3);
  const midnight = at.getHours() === 0 && at.getMinutes() === 0;
  if (step === "hour" || step === "part") return midnight ? day.format(at).slice(0, 6) : hour.format(at);
  return midnight ? date.format(at) : "";
}

function periodName(shown, place) {
  const start = new Date(shown.starts[place]);
  const end = new Date(shown.ends[place]);
  if (shown.step === "month") return month.format(start);
  if (shown.step === "week") return `Week of ${day.format(start)}`;
  if (shown.step === "day") return day.format(start);
  return `${day.format(start)}, ${hour.format(start)}–${hour.format(end)}`;
}

// What the chart shows in figures: of the whole range, or of the bar that is pointed at. It stays where it is.
function Legend({ shown, lines, stack, at }) {
  const of = (values) => (at === null ? total(values) : values[at]);
  const { nano: all, calls, unpriced } = sumOf(lines, of);
  return html`
    <div class="legend">
      <p class="legend-head"><span>${at === null ? "In all" : periodName(shown, at)}</span><strong title=${moneyTitle(all, calls, unpriced)}><a href=${at === null ? sessionsUrl() : ranIn(shown.starts[at], shown.ends[at])}>${money(all, calls, unpriced)}</a></strong></p>
      <ul>${lines.map((line, place) => html`
        <li key=${line.key} onClick=${followLink}><i class=${`mark mark-${markOf(line, place)}`} aria-hidden="true"></i><${Name} line=${line} stack=${stack} />
          <span class="legend-value"><${Amount} nano=${of(line.nano)} calls=${of(line.calls)} unpriced=${of(line.unpriced)} /></span></li>`)}</ul>
      <p class="legend-note">${unpriced > 0 ? `${plural(unpriced, "call")} without a price not in it` : "Every call has a price"}</p>
    </div>`;
}

function Amount({ nano, calls, unpriced }) {
  if (calls === 0 && nano === 0) return html`<span class="muted">–</span>`;
  if (unpriced > 0 && unpriced >= calls && nano === 0) return html`<span class="muted" title=${`${count(unpriced)} calls without a price`}>unpriced</span>`;
  return html`<span title=${exactDollars(nano)}>${dollars(nano)}</span>`;
}

function Name({ line, stack }) {
  if (line.rest || line.deleted) return html`<span class="clip muted">${line.deleted ? "deleted sessions" : line.key}</span>`;
  const value = line.key === "(none)" ? "none" : line.key;
  return html`<a class="clip" title=${oneLine(line.key, 512)} href=${sessionsUrl({ [stack]: value })}>${oneLine(stack === "model" ? shortModel(line.key) : line.key.replace("(none)", "no agent"), 120)}</a>`;
}
