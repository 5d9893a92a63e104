// The time, as pages show it: it goes on once a second, and stands still while nobody sees the tab.

import { effect, signal, untracked } from "./html.js";

export const now = signal(Date.now());

let ticking = 0;

const tick = () => { now.value = Date.now(); };

function turn() {
  clearInterval(ticking);
  if (document.hidden) return;
  tick();
  ticking = setInterval(tick, 1000);
}

// Calls doing once a minute while somebody sees the tab: what follows from time alone is told by no change. Answers
// with what ends it.
export function eachMinute(doing) {
  let last = null;
  return effect(() => {
    const minute = Math.floor(now.value / 60000);
    if (last !== null && last !== minute) untracked(doing);
    last = minute;
  });
}

export function startClock() {
  document.addEventListener("visibilitychange", turn);
  turn();
}
