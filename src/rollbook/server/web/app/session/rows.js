// Rows of any height in one long page, of which only those in sight exist. What one reads stays where it is, whatever
// is measured, opened or added elsewhere.

import { html, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../html.js";

const BEYOND = 700; // pixels above and below the screen for which rows are made
const SETTLES = 12; // frames until a row that was gone to stands still

// <${Rows} items=${…} keyOf=${(item) => …} guess=${(item) => pixels} draw=${(item) => markup} stamp=${what draw depends on} control=${ref} onSight=${(first, last) => …} />
// control.current.show(place, "start" | "near") brings a row into sight.
export function Rows({ items, keyOf, guess, draw, stamp, control, label, onSight, top = 0 }) {
  const list = useRef(null);
  const sizes = useRef(new Map());
  const [version, setVersion] = useState(0);
  const offsets = useMemo(() => offsetsOf(items, keyOf, guess, sizes.current), [items, version]);
  const now = useRef(null);
  const kept = useRef({ key: null, offset: 0, pinned: 0 });
  now.current = { items, offsets, top, onSight };

  const [range, setRange] = useState([0, 20]);
  const look = useCallback(() => {
    if (!list.current) return;
    const { items: all, offsets: at, top: bar } = now.current;
    const above = -list.current.getBoundingClientRect().top;
    const first = placeOf(at, above - BEYOND);
    const last = Math.min(all.length, placeOf(at, above + innerHeight + BEYOND) + 1);
    setRange((old) => (old[0] === first && old[1] === last ? old : [first, last]));
    if (performance.now() > kept.current.pinned) {
      const seen = placeOf(at, above + bar);
      kept.current = { key: all[seen] ? keyOf(all[seen]) : null, offset: at[seen], place: seen, pinned: 0, inside: above + bar >= 0 };
    }
    now.current.onSight?.(placeOf(at, above + bar + 1), Math.max(0, placeOf(at, above + innerHeight - 1)), above + innerHeight >= at[all.length] - 4);
  }, []);

  useEffect(() => {
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, []);

  // The row at the top of the screen stays there when rows above it turn out to be larger, or come to be.
  useLayoutEffect(() => {
    const { key, offset, place, inside } = kept.current;
    if (key !== null && inside) {
      const at = items[place] && keyOf(items[place]) === key ? place : items.findIndex((item) => keyOf(item) === key);
      const moved = at < 0 ? 0 : offsets[at] - offset;
      if (Math.abs(moved) >= 0.5) {
        kept.current = { ...kept.current, offset: offsets[at], place: at };
        scrollBy({ top: moved, behavior: "instant" });
      }
    }
    look();
  }, [offsets]);

  const watch = useMemo(() => new Measure(sizes.current, () => setVersion((turn) => turn + 1)), []);
  useEffect(() => () => watch.end(), []);

  control.current = {
    show: (place, how = "start") => bring(place, how, list, now, kept, keyOf, look),
  };
  const rows = [];
  for (let place = range[0]; place < Math.min(range[1], items.length); place += 1) {
    const item = items[place];
    const key = keyOf(item);
    rows.push(html`<li key=${key} class="entry-row" data-key=${key} ref=${watch.refOf(key)} aria-posinset=${place + 1} aria-setsize=${items.length}
      style=${{ transform: `translateY(${offsets[place]}px)` }}><${Drawn} item=${item} draw=${draw} stamp=${stamp} /></li>`);
  }
  return html`<ol class="entries" ref=${list} aria-label=${label} style=${{ height: `${offsets[items.length]}px` }}>${rows}</ol>`;
}

// What was drawn of an item stays as long as nothing that rows are drawn from has changed. (Not by giving out the same
// markup again: that holds on to the tree in which it stood first, and through it to every tree since.)
function Drawn({ item, draw }) {
  this.shouldComponentUpdate = (next) => next.item !== this.props.item || next.stamp !== this.props.stamp;
  return draw(item);
}

function offsetsOf(items, keyOf, guess, sizes) {
  const made = new Float64Array(items.length + 1);
  let sum = 0;
  for (let place = 0; place < items.length; place += 1) {
    made[place] = sum;
    sum += sizes.get(keyOf(items[place])) ?? guess(items[place]);
  }
  made[items.length] = sum;
  return made;
}

// The row that stands at so many pixels.
function placeOf(offsets, pixels) {
  let low = 0;
  let high = offsets.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (offsets[middle] <= pixels) low = middle;
    else high = middle - 1;
  }
  return Math.max(0, low);
}

// Rows above are only guessed at until they are seen: what was gone to is held until it stands.
function bring(place, how, list, now, kept, keyOf, look) {
  const { items, offsets } = now.current;
  if (!items[place] || !list.current) return;
  const key = keyOf(items[place]);
  let left = SETTLES;
  const settle = () => {
    const { items: all, offsets: at, top } = now.current;
    const where = all[place] && keyOf(all[place]) === key ? place : all.findIndex((item) => keyOf(item) === key);
    if (where < 0 || !list.current) return;
    const begin = list.current.getBoundingClientRect().top + scrollY;
    const high = at[where + 1] - at[where];
    let to = begin + at[where] - top - 8;
    if (how === "near") {
      const low = begin + at[where] + high - innerHeight + 24;
      to = scrollY > to ? to : Math.min(to, Math.max(scrollY, low));
    }
    kept.current = { key, offset: at[where], place: where, pinned: performance.now() + 120, inside: true };
    if (Math.abs(scrollY - to) > 1) scrollTo({ top: to, behavior: "instant" });
    look();
    left -= 1;
    if (left > 0) requestAnimationFrame(settle);
  };
  settle();
}

// How high rows are, told together once a frame.
class Measure {
  constructor(sizes, changed) {
    this.refs = new Map();
    this.observer = new ResizeObserver((seen) => {
      let other = false;
      for (const { target, borderBoxSize } of seen) {
        const height = borderBoxSize[0].blockSize;
        const { key } = target.dataset;
        if (!target.isConnected || height === 0 || Math.abs((sizes.get(key) ?? -1) - height) < 0.5) continue;
        sizes.set(key, height);
        other = true;
      }
      if (other) changed();
    });
  }

  refOf(key) {
    let made = this.refs.get(key);
    if (!made) {
      let held = null;
      made = (element) => {
        if (held) this.observer.unobserve(held);
        held = element;
        if (element) this.observer.observe(element);
        else this.refs.delete(key);
      };
      this.refs.set(key, made);
    }
    return made;
  }

  end() { this.observer.disconnect(); }
}
