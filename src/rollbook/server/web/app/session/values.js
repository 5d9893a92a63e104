// Values of any shape as text: what a tool was called with, what it answered, what a state holds, raw JSON.

import { html, useMemo, useState } from "../html.js";
import { count } from "../format.js";
import { toClipboard } from "../ui/clipboard.js";
import { say } from "../ui/toast.js";
import { Icon } from "../ui/icon.js";
import { plain, written } from "../text.js";

const FOLDED = 1600; // characters that are shown before somebody asks for all
const LINES = 24;
const PIECE = 50_000; // characters in one piece: of much more in one, a browser takes very long to find the lines

// A text that may be of any length: a piece of it, and the next ones when they are asked for. draw(piece) => markup.
export function Long({ text, draw }) {
  const [most, setMost] = useState(1);
  const pieces = useMemo(() => piecesOf(text), [text]);
  return html`
    ${pieces.slice(0, most).map(draw)}
    ${most < pieces.length && html`<button type="button" class="link-button" onClick=${() => setMost(most * 2)}>${
      `Show more: ${count(most * PIECE)} of ${count(text.length)} characters are here`}</button>`}`;
}

function piecesOf(text) {
  const made = [];
  for (let from = 0; from < text.length || !made.length;) {
    const end = from + PIECE;
    const line = end < text.length ? text.lastIndexOf("\n", end) : -1;
    const split = /[\ud800-\udbff]/.test(text[end - 1] ?? "") ? end - 1 : end;
    made.push(line > from ? text.slice(from, line) : text.slice(from, split));
    from = line > from ? line + 1 : split;
  }
  return made;
}

// A value in full, folded where it is long. whole(): fetches what was shortened, where it was.
export function Value({ value, label, whole, tone = "" }) {
  const [open, setOpen] = useState(false);
  const text = useMemo(() => plain(written(value)), [value]);
  const folded = !open && (text.length > FOLDED || lines(text) > LINES);
  return html`
    <div class=${`value ${tone && `value-${tone}`}`}>
      <${Long} text=${folded ? beginning(text) : text} draw=${(piece) => html`<pre class="code" dir="auto" tabindex="0" role="group" aria-label=${label}>${piece}</pre>`} />
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
    if (await toClipboard(text)) say("Copied.");
    else say("The browser does not let this page copy.", "bad");
  };
  return html`<button type="button" class="icon-button" title=${name} aria-label=${name} onClick=${copy}><${Icon} name="copy" /></button>`;
}

export function Raw({ value, name }) {
  const text = useMemo(() => JSON.stringify(value, null, 2), [value]);
  return html`
    <div class="raw"><${Copy} text=${text} name=${`Copy the JSON of ${name}`} />
      <${Long} text=${plain(text)} draw=${(piece) => html`<pre class="code" tabindex="0" role="group" aria-label=${`JSON of ${name}`} dir="ltr">${piece}</pre>`} /></div>`;
}
