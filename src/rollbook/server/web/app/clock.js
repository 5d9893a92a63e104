// The time, as pages show it: it goes on once a second, and stands still while nobody sees the tab.

import { signal } from "./html.js";

export const now = signal(Date.now());

let ticking = 0;

const tick = () => { now.value = Date.now(); };

function turn() {
  clearInterval(ticking);
  if (document.hidden) return;
  tick();
  ticking = setInterval(tick, 1000);
}

export function startClock() {
  document.addEventListener("visibilitychange", turn);
  turn();
}
