// What parts of the settings have in common: text to be copied, lists of what is what, one of several.

import { html, useRef, useState } from "../html.js";
import { toClipboard } from "../ui/clipboard.js";
import { Icon } from "../ui/icon.js";

export const Choose = ({ name, options, value, onChange }) => html`
  <select name=${name} value=${value} onChange=${onChange && ((event) => onChange(event.target.value))}>${options.map(([each, title]) => html`<option key=${each} value=${each}>${title}</option>`)}</select>`;

// Text that is to be taken elsewhere; in whole lines where it is long.
export function Copied({ text, label, long = false }) {
  const place = useRef(null);
  const [done, setDone] = useState(false);
  const copy = async () => {
    place.current.select();
    setDone(await toClipboard(text));
  };
  const field = { class: "mono", ref: place, readonly: true, value: text, "aria-label": label, onFocus: (event) => event.target.select() };
  return html`
    <div class="copied">
      ${long ? html`<textarea rows="2" ...${field} />` : html`<input ...${field} />`}
      <button type="button" class="button" onClick=${copy}><${Icon} name=${done ? "check" : "copy"} />${done ? "Copied" : "Copy"}</button>
      <span class="unseen" role="status">${done ? "It is copied." : ""}</span>
    </div>`;
}

// [title, value] lines; those without a value are left out.
export const Facts = ({ lines }) => html`
  <dl class="facts">${lines.filter(([, value]) => value).map(([title, value]) => html`<div key=${title}><dt>${title}</dt><dd>${value}</dd></div>`)}</dl>`;
