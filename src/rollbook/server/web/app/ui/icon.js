// Small drawings. They say nothing by themselves: what they stand beside, or its aria-label, does.

import { html } from "../html.js";

const PATHS = {
  brand: "M4.5 4.5h7M4.5 8h7M4.5 11.5h4",
  down: "m4.5 6.5 3.5 3.5 3.5-3.5",
  up: "m4.5 9.5 3.5-3.5 3.5 3.5",
  right: "m6.5 4.5 3.5 3.5-3.5 3.5",
  left: "m9.5 4.5-3.5 3.5 3.5 3.5",
  person: "M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM3 13.5c.6-2.3 2.6-3.5 5-3.5s4.4 1.2 5 3.5",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Zm3.5-1 3 3",
  close: "m4 4 8 8m0-8-8 8",
  check: "m3.5 8.5 3 3 6-7",
  warn: "M8 2.5 14 13H2L8 2.5Zm0 4v3m0 2v.01",
  copy: "M5.5 5.5v-3h8v8h-3m-8-5h8v8h-8v-8Z",
  more: "M3.5 8v.01M8 8v.01M12.5 8v.01",
  download: "M8 2.5v8m-3.5-3L8 11l3.5-3.5M3 13.5h10",
  columns: "M2.5 3h11v10h-11V3Zm4 0v10m3.5-10v10",
  again: "M13 8a5 5 0 1 1-1.5-3.5L13 6m0-3.5V6H9.5",
  below: "M4 3v5.5h8m-2.5-2.5L12 8.5 9.5 11",
  plus: "M8 3v10M3 8h10",
};

export const Icon = ({ name }) => html`
  <svg class=${`icon icon-${name}`} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
