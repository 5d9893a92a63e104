// Search inside: which entries hold a text, and marking it where it can be seen.

import { useEffect, useMemo, useState } from "../html.js";
import { get } from "../api.js";
import { textOf } from "./items.js";

const MARKED = "found";
const MOST_MARKS = 2000;

const WAITS_MS = 250;
const NONE = new Set();

// The places of the items that hold a text; case does not matter. Of entries of which only a beginning is here, those
// count too that the server finds by the words of it.
export function useFound(items, text, of) {
  const wanted = text.trim().toLowerCase();
  const further = useFurther(wanted, useMemo(() => items.some((item) => item.entry?.cut), [items]), of);
  return useMemo(() => {
    if (!wanted) return [];
    const found = [];
    items.forEach((item, place) => (textOf(item).includes(wanted) || further.has(item.key)) && found.push(place));
    return found;
  }, [items, wanted, further]);
}

function useFurther(text, any, of) {
  const [keys, setKeys] = useState(NONE);
  useEffect(() => {
    setKeys(NONE);
    if (!any || text.length < 3) return undefined;
    const abort = new AbortController();
    const ask = async () => {
      try {
        const { found } = await get("/api/v1/search", { text: `"${text.replaceAll('"', " ")}"`, session_id: of.session_id, user_id: of.user_id, limit: 100 }, { signal: abort.signal });
        setKeys(new Set(found.map((each) => `${each.stream}/${each.entry_id}`)));
      } catch {
        // it holds no word, or contents are kept where nothing searches: what is here is searched all the same
      }
    };
    const timer = setTimeout(ask, WAITS_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text, any]);
  return keys;
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
