// What agents wrote, made fit to be shown: as text, and so that it cannot pretend to be other text.

// What turns the direction of text or hides in it, and control characters but for tabs and new lines.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const ANY_HIDDEN = new RegExp(HIDDEN.source);

// The same text with such characters named where they stand.
export function plain(text) {
  const given = typeof text === "string" ? text : String(text ?? "");
  const whole = given.includes("\r") ? given.replace(/\r\n?/g, "\n") : given;
  return ANY_HIDDEN.test(whole) ? whole.replace(HIDDEN, named) : whole;
}

function named(character) {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

// One line of it, for where there is one line alone.
export const oneLine = (text, most = 300) => plain(String(text ?? "").slice(0, most * 2).replace(/\s+/g, " ").trim()).slice(0, most);

// Any value as text: texts as they are, others as JSON.
export function written(value, space = 2) {
  if (typeof value === "string") return value;
  return value === undefined ? "" : JSON.stringify(value, null, space);
}

// An address that may be followed, or null: http and https alone.
export function followed(address) {
  if (!/^https?:\/\//i.test(address)) return null;
  try {
    const url = new URL(address);
    return url.protocol === "http:" || url.protocol === "https:" ? url : null;
  } catch {
    return null;
  }
}
