// Values of any shape as text: what a tool was called with, what it answered, what a state holds, raw JSON.

import { html, useState } from "../html.js";
import { count } from "../format.js";
import { say } from "../ui/toast.js";
import { Icon } from "../ui/icon.js";
import { plain, written } from "./text.js";

const FOLDED = 1600; // characters that are shown before somebody asks for all
const LINES = 24;

// A value in full, folded where it is long. whole(): fetches what was shortened, where it was.
export function Value({ value, label, whole, tone = "" }) {
  const [open, setOpen] = useState(false);
  const text = plain(written(value));
  const folded = !open && (text.length > FOLDED || lines(text) > LINES);
  return html`
    <div class=${`value ${tone && `value-${tone}`}`}>
      <pre class="code" dir="auto" tabindex="0" role="group" aria-label=${label}>${folded ? beginning(text) : text}</pre>
      ${(folded || whole) && html`<button type="button" class="link-button" onClick=${() => (whole ? whole() : setOpen(true))}>${
        whole ? "Show all of it" : `Show all ${count(text.length)} characters`}</button>`}
    </div>`;
}

function lines(text) {
  let found = 0;
  for (let at = text.indexOf("\n"); at >= 0 && found <= LINES; at = text.indexOf("\n", at + 1)) found += 1;
  return found;
}

function beginning(text) {
  const kept = text.slice(0, FOLDED).split("\n").slice(0, LINES).join("\n");
  return `${kept}…`;
}

// A named value: arguments, result, context …
export const Named = ({ name, children }) => html`<div class="named"><p class="named-name">${name}</p>${children}</div>`;

export function Copy({ text, name = "Copy" }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(typeof text === "function" ? await text() : text);
      say("Copied.");
    } catch {
      say("The browser does not let this page copy.", "bad");
    }
  };
  return html`<button type="button" class="icon-button" title=${name} aria-label=${name} onClick=${copy}><${Icon} name="copy" /></button>`;
}

export const Raw = ({ value, name }) => html`
  <div class="raw"><${Copy} text=${() => JSON.stringify(value, null, 2)} name=${`Copy the JSON of ${name}`} />
    <pre class="code" tabindex="0" role="group" aria-label=${`JSON of ${name}`} dir="ltr">${plain(JSON.stringify(value, null, 2))}</pre></div>`;
