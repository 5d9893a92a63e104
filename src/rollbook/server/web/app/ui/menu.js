// A button that opens a small panel. It closes with Escape, a click elsewhere, or when the focus leaves it.

import { html, useEffect, useId, useLayoutEffect, useRef, useState } from "../html.js";
import { Icon } from "./icon.js";

const EDGE = 8; // pixels between a panel and the edge of the window

// <${Menu} label="Columns">${(close) => html`<button onClick=${close}>One</button>`}<//>
// label: text or markup of the button; name: what it is called where label is a picture; align: "start" | "end";
// quiet: without the arrow; pressed: shown as chosen. Buttons and links within are reached with the arrow keys.
export function Menu({ label, name, title, align = "start", quiet = false, pressed = false, kind = "", children }) {
  const [open, setOpen] = useState(false);
  const place = useRef(null);
  const id = useId();
  const close = () => {
    setOpen(false);
    place.current?.querySelector("button")?.focus();
  };

  useLayoutEffect(() => { if (open) intoSight(place.current.querySelector(".panel")); }, [open]);
  useEffect(() => {
    if (!open) return undefined;
    place.current.querySelector(".panel")?.querySelector("input, button, a[href], select")?.focus();
    const elsewhere = (event) => place.current?.contains(event.target) || setOpen(false);
    document.addEventListener("pointerdown", elsewhere);
    document.addEventListener("focusin", elsewhere);
    return () => {
      document.removeEventListener("pointerdown", elsewhere);
      document.removeEventListener("focusin", elsewhere);
    };
  }, [open]);

  const keyed = (event) => {
    if (event.key === "Escape" && open) {
      event.stopPropagation();
      close();
    } else if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      step(place.current, event);
    }
  };
  return html`
    <div class=${`menu ${kind}`} ref=${place} onKeyDown=${keyed}>
      <button type="button" class=${quiet ? "icon-button" : "menu-button"} aria-expanded=${String(open)} aria-controls=${open ? id : null}
        aria-label=${name} aria-pressed=${pressed ? "true" : null} title=${title} onClick=${() => setOpen(!open)}>
        ${label}${!quiet && html`<${Icon} name="down" />`}
      </button>
      ${open && html`<div class=${`panel panel-${align}`} id=${id}>${children(close)}</div>`}
    </div>`;
}

// Where its button is close to an edge of a small window, the panel would reach over it.
function intoSight(panel) {
  const { left, right } = panel.getBoundingClientRect();
  const over = Math.max(0, right + EDGE - document.documentElement.clientWidth);
  panel.style.translate = `${Math.max(EDGE - left, -over)}px`;
}

function step(place, event) {
  if (event.target.matches("select, input:not([type=checkbox])")) return;
  const all = [...place.querySelectorAll(".panel :is(button, a[href], input)")];
  const at = all.indexOf(document.activeElement);
  all[(at + (event.key === "ArrowDown" ? 1 : all.length - 1)) % all.length]?.focus();
  event.preventDefault();
}
