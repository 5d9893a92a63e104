// Putting text where it can be taken elsewhere. Says whether that worked.

// Browsers give the clipboard to pages of this machine and over HTTPS alone; the older way works with what is selected.
export async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return selected(text);
  }
}

function selected(text) {
  const before = document.activeElement;
  const field = Object.assign(document.createElement("textarea"), { value: text, readOnly: true, className: "unseen" });
  (document.querySelector("dialog[open]") ?? document.body).append(field); // nothing beside an open dialog can be selected
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus({ preventScroll: true });
  return done;
}
