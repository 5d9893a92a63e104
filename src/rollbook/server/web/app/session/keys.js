// Moving by keys: single letters, where nobody writes anything.

import { useEffect, useRef } from "../html.js";

export function useKeys(keys) {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const pressed = (event) => {
      if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || event.isComposing) return;
      if (event.target.closest?.("input, textarea, select, dialog, [contenteditable], .panel")) return;
      const does = Object.hasOwn(latest.current, event.key) && latest.current[event.key];
      if (!does) return;
      event.preventDefault();
      does();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
}
