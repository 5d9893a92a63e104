// What agents wrote, made fit to be shown: as text, and so that it cannot pretend to be other text.

// What turns the direction of text or hides in it, and control characters but for tabs and new lines. (Joiners within
// words and what chooses the picture of a character are writing.)
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb]|(?<=[\ufe00-\ufe0f])[\ufe00-\ufe0f]+|[\u{e0100}-\u{e01ef}]+|(?<![\u{1f3f4}\u{e0000}-\u{e007f}])[\u{e0000}-\u{e007f}]+/gu;
const ANY_HIDDEN = new RegExp(HIDDEN.source, "u");
const COLOURS = /\u001b\[[\d;:]*m/g; // of terminals: they mean nothing here, and raw JSON has them
const CONTROLS = "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US".split(" ");

// The same text with such characters named where they stand.
export function plain(text) {
  const given = typeof text === "string" ? text : String(text ?? "");
  const whole = given.includes("\r") ? given.replace(/\r\n?/g, "\n") : given;
  return ANY_HIDDEN.test(whole) ? whole.replace(COLOURS, "").replace(HIDDEN, named) : whole;
}

function named(found) {
  const code = found.codePointAt(0);
  if (code < 0x20) return `⟨${CONTROLS[code]}⟩`;
  if (code >= 0xe0000 && code <= 0xe007f) return `⟨hidden: ${[...found].map(letter).join("")}⟩`;
  return [...found].map((each) => `⟨U+${each.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`).join("");
}

// Tags are the letters of ASCII once more, where nobody sees them.
function letter(tag) {
  const code = tag.codePointAt(0) - 0xe0000;
  return code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : "·";
}

// One line of it, for where there is one line alone.
export function oneLine(text, most = 300) {
  const given = String(text ?? "");
  const line = plain(given.slice(0, most * 2).replace(/\s+/g, " ").trim());
  return line.length > most || given.length > most * 2 ? `${line.slice(0, most - 1).replace(/[\ud800-\udbff]$/, "")}…` : line;
}

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
