// Colours of the page, for what is drawn by scripts.

import { useEffect, useState } from "../html.js";

// A colour as it is now: colour("--mark-1").
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export const FONT = "11px system-ui, sans-serif"; // of what stands at axes

// Draws again when the page turns dark or light.
export function useScheme() {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const asked = matchMedia("(prefers-color-scheme: dark)");
    const turned = () => setDark(asked.matches);
    asked.addEventListener("change", turned);
    return () => asked.removeEventListener("change", turned);
  }, []);
  return dark;
}
