// The table by keyboard: j and k or the arrows move, Enter opens, x selects, / goes to the box.

import { useEffect, useRef } from "../html.js";
import { reveal } from "./list.js";
import { select } from "./selected.js";

const STEPS = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 };
const ELSEWHERE = "input:not([type=checkbox]), select, textarea, [contenteditable], .menu, dialog, [role=combobox]";

export function useKeys(list, small, input) {
  const latest = useRef(null);
  latest.current = { list, small };
  useEffect(() => {
    const pressed = (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(ELSEWHERE)) return;
      const done = event.key === "/" ? focused(input) : moved(event, latest.current);
      if (done) event.preventDefault();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
}

function focused(input) {
  input.current.focus();
  input.current.select();
  return true;
}

function moved(event, { list, small }) {
  const { active, scroller } = list.view;
  if (!scroller.current) return false;
  if (event.key in STEPS) return step(list, small, STEPS[event.key]);
  if (event.key === "Escape" && active !== null) {
    list.setActive(null);
    return true;
  }
  const session = active === null ? null : list.shown.at(active);
  if (!session) return false;
  if (event.key === "x") {
    select(session);
    return true;
  }
  if (event.key !== "Enter" || event.target.closest("a, button")) return false;
  linkAt(scroller.current, active)?.click();
  return true;
}

const linkAt = (box, place) => box.querySelector(`[data-place="${place}"] .row-link`);

// The first step goes to the first row that is seen.
function step(list, small, by) {
  const box = list.view.scroller.current;
  const last = list.shown.height - 1;
  const high = box.querySelector("tr.srow")?.offsetHeight || 1;
  const seen = Math.ceil(box.scrollTop / high);
  const next = list.view.active === null ? seen : Math.min(last, Math.max(0, list.view.active + by));
  reveal(list, next, small);
  list.setActive(next);
  requestAnimationFrame(() => linkAt(box, next)?.focus({ preventScroll: true }));
  return true;
}
