// uPlot as a part of a page. It is fetched when the first chart is drawn.

import { html, useEffect, useRef, useState } from "../html.js";
import { fetched } from "../fetched.js";
import { colour, FONT, useScheme } from "./colour.js";
import { Failure } from "./states.js";

// uPlot itself: a script and a style, as its authors publish them.
const uplot = () => Promise.all([fetched("vendor/uPlot.iife.min.js"), fetched("vendor/uPlot.min.css")]).then(() => window.uPlot);

// An axis in the page's colours; of: anything of uPlot's axes beside.
export const axis = (of = {}) => ({
  stroke: () => colour("--ink-3"), font: FONT, labelFont: FONT,
  grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false }, gap: 6, ...of,
});

// <${Chart} data=${[xs, ys, …]} options=${(uPlot) => ({ series, axes, … })} shape="what changes the options" height=${200} label="Cost over time" />
// New data is put into the chart that is there; another shape makes another chart. onMade(chart) is told of each.
// What it shows is said in words in label and, for who cannot see it, in a table beside it.
export function Chart({ data, options, shape = "", height = 200, label, onMade }) {
  const place = useRef(null);
  const chart = useRef(null);
  const latest = useRef(data);
  const [error, setError] = useState(null);
  const dark = useScheme();
  latest.current = data;

  useEffect(() => {
    let gone = false;
    let watching = null;
    uplot().then((uPlot) => {
      const here = place.current;
      if (gone || !here) return;
      const size = () => ({ width: Math.max(120, here.clientWidth), height });
      chart.current = new uPlot({ ...size(), legend: { show: false }, ...options(uPlot) }, latest.current, here);
      watching = new ResizeObserver(() => chart.current?.setSize(size()));
      watching.observe(here);
      onMade?.(chart.current);
    }).catch((why) => gone || setError(why));
    return () => {
      gone = true;
      watching?.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, [shape, dark, height]);

  useEffect(() => chart.current?.setData(data), [data]);

  if (error) return html`<${Failure} error=${error} what="This chart cannot be drawn." />`;
  return html`<div class="chart" role="img" aria-label=${label} ref=${place} style=${{ minHeight: `${height}px` }}></div>`;
}
