// What pages are written with: one place that knows the libraries.

import { h, render, Fragment } from "../vendor/preact.mjs";
import htm from "../vendor/htm.mjs";

export { h, render, Fragment };
export { useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState, useErrorBoundary } from "../vendor/hooks.mjs";
export { batch, computed, effect, signal, useComputed, useSignal, useSignalEffect, untracked } from "../vendor/signals.mjs";

// htm would keep parts of a template in which nothing changes and give them out again: each holds on to the tree in which
// it stood first, and through what trees have in common all later ones would be kept. So it is told to keep none.
export const html = htm.bind(function made(type, props, ...children) {
  this[0] = 3;
  return h(type, props, ...children);
});
