// A question that must be answered before anything else; the browser's own dialog keeps the focus.

import { html, useId, useLayoutEffect, useRef } from "../html.js";

// <${Dialog} title="Revoke this key?" onClose=${close} actions=${html`<button class="button button-bad" onClick=…>Revoke</button>`}>…<//>
// closes: what the button says that closes it; firm: a click beside it does not, as what it shows is lost then.
export function Dialog({ title, onClose, actions, closes = "Cancel", firm = false, children }) {
  const place = useRef(null);
  const id = useId();
  useLayoutEffect(() => {
    const opener = document.activeElement;
    const dialog = place.current;
    dialog.showModal();
    return () => {
      dialog.close();
      // (The browser would, but not for a dialog that has left the page by then.)
      if (opener?.isConnected) opener.focus({ preventScroll: true });
    };
  }, []);
  return html`
    <dialog class="dialog" ref=${place} aria-labelledby=${id} onCancel=${(event) => { event.preventDefault(); onClose(); }}
      onClick=${(event) => event.target === place.current && !firm && onClose()}>
      <div class="dialog-inside">
        <h2 id=${id}>${title}</h2>
        ${children}
        <div class="dialog-actions"><button type="button" class="button" onClick=${onClose}>${closes}</button>${actions}</div>
      </div>
    </dialog>`;
}
