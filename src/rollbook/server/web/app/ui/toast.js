// What is said in passing: that something was done, or why it was not.

import { html, signal } from "../html.js";
import { Icon } from "./icon.js";

const STAYS_MS = 6000;
const shown = signal([]);
let last = 0;

// say("The key is revoked."); say(error.message, "bad")
export function say(text, tone = "") {
  last += 1;
  const id = last;
  shown.value = [...shown.value, { id, text, tone }];
  setTimeout(() => drop(id), tone === "bad" ? STAYS_MS * 2 : STAYS_MS);
}

const drop = (id) => { shown.value = shown.value.filter((each) => each.id !== id); };

export const Toasts = () => html`
  <div class="toasts" role="status">${shown.value.map(({ id, text, tone }) => html`
    <p key=${id} class=${`toast ${tone && `toast-${tone}`}`}>${text}
      <button type="button" class="icon-button" aria-label="Close" onClick=${() => drop(id)}><${Icon} name="close" /></button></p>`)}</div>`;
