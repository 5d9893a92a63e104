// What pages are written with: one place that knows the libraries.

import { h, render, Fragment } from "../vendor/preact.mjs";
import htm from "../vendor/htm.mjs";

export { h, render, Fragment };
export { useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState, useErrorBoundary } from "../vendor/hooks.mjs";
export { batch, computed, effect, signal, useComputed, useSignal, useSignalEffect, untracked } from "../vendor/signals.mjs";

export const html = htm.bind(h);
