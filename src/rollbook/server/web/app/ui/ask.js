// A form that asks, and stays with what was written in it where that is refused.

import { html, useEffect, useId, useRef, useState } from "../html.js";
import { Dialog } from "./dialog.js";
import { Failure } from "./states.js";

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
