// Sessions that somebody chose to look at side by side.

import { html, signal } from "../html.js";
import { plural } from "../format.js";
import { nameOf, MOST } from "../compare/load.js";
import { Icon } from "../ui/icon.js";
import { keyOf } from "./rows.js";

export const selected = signal(new Map()); // key -> session

export const isSelected = (session) => selected.value.has(keyOf(session));

export function select(session, on = !selected.peek().has(keyOf(session))) {
  const next = new Map(selected.peek());
  if (on) next.set(keyOf(session), session);
  else next.delete(keyOf(session));
  selected.value = next;
}

export const clear = () => { selected.value = new Map(); };

export function Selection() {
  const all = [...selected.value.values()];
  if (!all.length) return null;
  const few = all.slice(0, MOST);
  const address = `/compare?${new URLSearchParams(few.map((session) => ["s", nameOf(session)]))}`;
  return html`
    <div class="selection" role="region" aria-label="Selected sessions">
      <span role="status">${plural(all.length, "session")} selected</span>
      <a class="button button-main" href=${address}
        title=${all.length > MOST ? `The first ${MOST} of them` : null}>${all.length > MOST ? `Compare the first ${MOST}` : "Compare"}</a>
      <button type="button" class="icon-button" aria-label="Select none" title="Select none" onClick=${clear}><${Icon} name="close" /></button>
    </div>`;
}
