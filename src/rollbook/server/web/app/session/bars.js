// Bars on top of each other, one pile for each call, drawn by hand: a library for charts would be a quarter of the page.

import { html, useEffect, useRef } from "../html.js";
import { colour, FONT, useScheme } from "../ui/colour.js";

const LEFT = 46; // pixels around the bars, for what stands at the axes
const BELOW = 22;
const ABOVE = 6;
const LEAST = 12; // places, so that a few calls do not become walls
const WIDEST = 14;
const SHARE = 0.72; // of its place that a bar takes
const APART_X = 84; // pixels between what stands at an axis
const APART_Y = 34;

// layers: [colour, values] from the ground up; nameX(place), nameY(value): what stands at the axes; onPoint(place or
// null), onPick(place); band: a ref for what stands over some of the bars, where placesOf says.
export function Bars({ layers, nameX, nameY, height, label, band, onPoint, onPick }) {
  const canvas = useRef(null);
  const latest = useRef(null);
  const dark = useScheme();
  const count = layers[0][1].length;
  latest.current = () => canvas.current && draw(canvas.current, height, count, layers, nameX, nameY);
  useEffect(() => latest.current(), [layers, dark, height]);
  useEffect(() => {
    const watching = new ResizeObserver(() => latest.current());
    watching.observe(canvas.current);
    return () => watching.disconnect();
  }, []);
  const pointed = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const place = Math.floor((event.clientX - box.left) / box.width * placesFor(count));
    return place >= 0 && place < count ? place : null;
  };
  const picked = (event) => {
    const place = pointed(event);
    if (place !== null) onPick(place);
  };
  return html`
    <div class="bars" role="img" aria-label=${label} style=${{ height: `${height}px` }}>
      <canvas ref=${canvas}></canvas>
      <div class="bars-within" style=${{ inset: `${ABOVE}px 0 ${BELOW}px ${LEFT}px` }} onPointerMove=${(event) => onPoint(pointed(event))} onPointerLeave=${() => onPoint(null)} onClick=${picked}>
        <div class="bars-band" ref=${band} hidden></div></div>
    </div>`;
}

const placesFor = (count) => Math.max(count, LEAST);

// Where the band stands that reaches from one place to another.
export const placesOf = (first, last, count) => ({ left: `${first / placesFor(count) * 100}%`, width: `max(3px, ${(last - first + 1) / placesFor(count) * 100}%)` });

function draw(canvas, height, count, layers, nameX, nameY) {
  const wide = canvas.clientWidth;
  if (!wide) return;
  Object.assign(canvas, { width: Math.round(wide * devicePixelRatio), height: Math.round(height * devicePixelRatio) });
  const on = canvas.getContext("2d");
  on.scale(devicePixelRatio, devicePixelRatio);
  on.font = FONT;
  const ground = height - BELOW;
  const high = ground - ABOVE;
  const tops = piled(layers);
  const highest = tops.at(-1).reduce((most, value) => Math.max(most, value), 0) * 1.08 || 1;
  const step = evenly(highest * APART_Y / high);
  on.textAlign = "right";
  on.textBaseline = "middle";
  for (let turn = 0; turn * step <= highest; turn += 1) {
    const y = Math.round(ground - turn * step / highest * high) - 0.5;
    on.fillStyle = colour("--line");
    on.fillRect(LEFT, y, wide - LEFT, 1);
    on.fillStyle = colour("--ink-3");
    on.fillText(nameY(Number((turn * step).toPrecision(6))), LEFT - 6, y);
  }
  const place = (wide - LEFT) / placesFor(count);
  const each = evenly(Math.max(1, APART_X / place));
  on.textAlign = "center";
  for (let at = 0; at < count; at += each) {
    const x = LEFT + (at + 0.5) * place;
    if (x < wide - 14) on.fillText(nameX(at), Math.max(LEFT + 14, x), height - BELOW / 2 + 2);
  }
  const width = Math.max(1, Math.min(WIDEST, place * SHARE));
  for (let layer = layers.length - 1; layer >= 0; layer -= 1) { // the highest is seen above the others
    on.fillStyle = colour(layers[layer][0]);
    tops[layer].forEach((value, at) => on.fillRect(LEFT + (at + 0.5) * place - width / 2, ground - value / highest * high, width, value / highest * high));
  }
}

function piled(layers) {
  let below = layers[0][1].map(() => 0);
  return layers.map(([, values]) => { below = values.map((value, at) => below[at] + Math.max(0, value)); return below; });
}

// The smallest of 1, 2, 5, 10, 20 … that is not below it.
function evenly(least) {
  const ten = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5].map((times) => times * ten).find((step) => step >= least) ?? 10 * ten;
}
