// What parts of the settings have in common: forms that ask, text to be copied, lists of what is what.

import { html, useEffect, useId, useRef, useState } from "../html.js";
import { Dialog } from "../ui/dialog.js";
import { Failure } from "../ui/states.js";
import { Icon } from "../ui/icon.js";

// A form in a dialog. onSubmit(values) is awaited; what it throws is shown, and the form stays.
export function Ask({ title, what, submit, tone = "main", onSubmit, onClose, children }) {
  const id = useId();
  const [state, setState] = useState({ busy: false, error: null });
  const sent = async (event) => {
    event.preventDefault();
    const values = Object.fromEntries([...new FormData(event.target)].map(([name, value]) => [name, value.trim()]));
    setState({ busy: true, error: null });
    try {
      await onSubmit(values);
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  return html`
    <${Dialog} title=${title} onClose=${onClose} firm=${state.busy}
      actions=${html`<button class=${`button button-${tone}`} form=${id} disabled=${state.busy}>${submit}</button>`}>
      <form id=${id} class="form" onSubmit=${sent}>${children}</form>
      ${state.error && html`<${Failure} error=${state.error} what=${what} />`}
    <//>`;
}

// A field with its name; a hint describes it, and is no part of the name.
export function Field({ label, hint, children }) {
  const place = useRef(null);
  const id = useId();
  useEffect(() => { if (hint) place.current.querySelector("input, select, textarea").setAttribute("aria-describedby", id); }, [hint]);
  return html`<div class="field" ref=${place}><label><span>${label}</span>${children}</label>${hint && html`<small id=${id}>${hint}</small>`}</div>`;
}

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

// Browsers give the clipboard to pages of this machine and over HTTPS alone; the older way works with what is selected.
async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return document.execCommand("copy");
  }
}

// [title, value] lines; those without a value are left out.
export const Facts = ({ lines }) => html`
  <dl class="facts">${lines.filter(([, value]) => value).map(([title, value]) => html`<div key=${title}><dt>${title}</dt><dd>${value}</dd></div>`)}</dl>`;
