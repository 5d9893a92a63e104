// Search inside: which entries hold a text, and marking it where it can be seen.

import { useEffect, useMemo } from "../html.js";
import { textOf } from "./items.js";

const MARKED = "found";
const MOST_MARKS = 2000;

// The places of the items that hold a text; case does not matter.
export function useFound(items, text) {
  const wanted = text.trim().toLowerCase();
  return useMemo(() => {
    if (!wanted) return [];
    const found = [];
    items.forEach((item, place) => textOf(item).includes(wanted) && found.push(place));
    return found;
  }, [items, wanted]);
}

// Marks the text in what is drawn, without touching it; draws anew whenever that changes.
export function useMarks(place, text) {
  useEffect(() => {
    const wanted = text.trim().toLowerCase();
    if (!wanted || !globalThis.Highlight || !place.current) return undefined;
    let frame = 0;
    const mark = () => {
      frame = 0;
      CSS.highlights.set(MARKED, new Highlight(...rangesOf(place.current, wanted)));
    };
    const soon = () => { frame ||= requestAnimationFrame(mark); };
    const watching = new MutationObserver(soon);
    watching.observe(place.current, { childList: true, subtree: true, characterData: true });
    mark();
    return () => {
      cancelAnimationFrame(frame);
      watching.disconnect();
      CSS.highlights.delete(MARKED);
    };
  }, [text]);
}

function rangesOf(root, wanted) {
  const ranges = [];
  const nodes = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = nodes.nextNode(); node && ranges.length < MOST_MARKS; node = nodes.nextNode()) {
    const text = node.data.toLowerCase();
    if (text.length !== node.data.length) continue; // letters that change their length
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      const range = new Range();
      range.setStart(node, at);
      range.setEnd(node, at + wanted.length);
      ranges.push(range);
    }
  }
  return ranges;
}
