// Markdown as agents write it, to elements. What is no markdown, HTML above all, stays the text that it is; nothing is
// fetched (a picture is a link); every way through a text is a straight one, so that no text takes long.

import { html, useMemo } from "../html.js";
import { followed, plain } from "../text.js";
import { Long } from "./values.js";

const LONGEST = 40_000; // characters; what is longer is shown as it stands
const DEEPEST = 6; // quotes and lists within each other

export function Markdown({ text }) {
  const shown = useMemo(() => plain(text), [text]);
  if (shown.length > LONGEST) return html`<${Long} text=${shown} draw=${(piece) => html`<pre class="md md-plain" dir="auto">${piece}</pre>`} />`;
  return html`<div class="md" dir="auto">${blocks(shown.split("\n"), 0)}</div>`;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*)$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const TABLE_RULE = /^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

function blocks(lines, depth) {
  const made = [];
  let at = 0;
  while (at < lines.length) {
    const [block, next] = oneBlock(lines, at, depth);
    if (block) made.push(block);
    at = next;
  }
  return made;
}

function oneBlock(lines, at, depth) {
  const line = lines[at];
  if (!line.trim()) return [null, at + 1];
  const fence = FENCE.exec(line);
  if (fence) return fenced(lines, at, fence);
  const heading = HEADING.exec(line);
  if (heading) return [html`<p class=${`md-h md-h${heading[1].length}`}>${inline(heading[2].replace(/\s+#+\s*$/, ""))}</p>`, at + 1];
  if (RULE.test(line)) return [html`<hr />`, at + 1];
  if (depth < DEEPEST && QUOTE.test(line)) return quoted(lines, at, depth);
  if (depth < DEEPEST && ITEM.test(line)) return listed(lines, at, depth);
  if (line.includes("|") && at + 1 < lines.length && lines[at + 1].includes("-") && TABLE_RULE.test(lines[at + 1])) return table(lines, at);
  return paragraph(lines, at, depth);
}

function fenced(lines, at, [, mark, language]) {
  let end = at + 1;
  while (end < lines.length && !closes(lines[end], mark)) end += 1;
  return [html`<${Code} text=${lines.slice(at + 1, end).join("\n")} language=${language} />`, end + 1];
}

const closes = (line, mark) => {
  const text = line.trim();
  return text.length >= mark.length && text[0] === mark[0] && text === mark[0].repeat(text.length);
};

// A block of code; one that does not fit is scrolled, by the keyboard too.
export const Code = ({ text, language = "" }) => html`
  <pre class="code" dir="ltr" tabindex="0" role="group" aria-label=${language ? `Code, ${language}` : "Code"}><code>${text}</code></pre>`;

function quoted(lines, at, depth) {
  const inside = [];
  let end = at;
  for (; end < lines.length; end += 1) {
    const found = QUOTE.exec(lines[end]);
    if (!found) break;
    inside.push(found[1]);
  }
  return [html`<blockquote>${blocks(inside, depth + 1)}</blockquote>`, end];
}

function listed(lines, at, depth) {
  const first = ITEM.exec(lines[at]);
  const ordered = /\d/.test(first[2]);
  const items = [];
  let end = at;
  while (end < lines.length) {
    const found = ITEM.exec(lines[end]);
    if (!found || found[1].length > first[1].length + 1 || /\d/.test(found[2]) !== ordered) break;
    const inside = [found[3]];
    const deep = found[1].length + found[2].length + 1;
    end += 1;
    while (end < lines.length && belongs(lines[end], lines[end + 1], found[1].length)) {
      inside.push(lines[end].slice(Math.min(deep, indent(lines[end]))));
      end += 1;
    }
    items.push(html`<li>${tight(inside, depth + 1)}</li>`);
    while (end < lines.length && !lines[end].trim() && ITEM.test(lines[end + 1] ?? "")) end += 1;
  }
  if (!items.length) return paragraph(lines, at, depth);
  return [ordered ? html`<ol start=${Number.parseInt(first[2], 10)}>${items}</ol>` : html`<ul>${items}</ul>`, end];
}

const indent = (line) => line.length - line.trimStart().length;
// Whether a line goes on with the item above it.
const belongs = (line, next, least) => (line.trim() ? indent(line) > least : Boolean(next?.trim()) && indent(next) > least);

function tight(lines, depth) {
  return lines.length === 1 ? inline(lines[0].replace(/^\[( |x|X)\] /, (_, mark) => (mark === " " ? "☐ " : "☑ "))) : blocks(lines, depth);
}

function table(lines, at) {
  const sides = cells(lines[at + 1]).map((cell) => (cell.endsWith(":") ? "right" : null));
  const head = cells(lines[at]);
  const rows = [];
  let end = at + 2;
  for (; end < lines.length && lines[end].includes("|") && lines[end].trim(); end += 1) rows.push(cells(lines[end]));
  return [html`<div class="md-table" tabindex="0" role="group" aria-label="Table"><table>
    <thead><tr>${head.map((cell, place) => html`<th scope="col" class=${sides[place]}>${inline(cell)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${head.map((_, place) => html`<td class=${sides[place]}>${inline(row[place] ?? "")}</td>`)}</tr>`)}</tbody>
  </table></div>`, end];
}

function cells(line) {
  const found = [];
  let cell = "";
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === "\\" && line[at + 1] === "|") cell += line[++at];
    else if (line[at] === "|") {
      found.push(cell.trim());
      cell = "";
    } else cell += line[at];
  }
  found.push(cell.trim());
  if (line.trimStart().startsWith("|")) found.shift();
  if (line.trimEnd().endsWith("|")) found.pop();
  return found;
}

function paragraph(lines, at, depth) {
  let end = at + 1;
  while (end < lines.length && goesOn(lines[end], depth)) end += 1;
  return [html`<p>${inline(lines.slice(at, end).join("\n"))}</p>`, end];
}

const goesOn = (line, depth) => Boolean(line.trim()) && !FENCE.test(line) && !HEADING.test(line) && !RULE.test(line)
  && (depth >= DEEPEST || (!QUOTE.test(line) && !ITEM.test(line)));

// Within a line

const NO_MARKS = [];
const LINKS = ["[", "h", "<"]; // a link holds no other link, which would look as if one got to that
const SPECIAL = /[\\`*_~[!<]|https?:\/\//g;

// The marks of one text are read once from left to right; what is not closed is text.
export function inline(text, depth = 0, within = NO_MARKS) {
  if (depth > DEEPEST) return text;
  const made = [];
  const misses = new Set(within); // marks of which no end is to come, or that mean nothing here
  let from = 0;
  SPECIAL.lastIndex = 0;
  for (let found = SPECIAL.exec(text); found; found = SPECIAL.exec(text)) {
    const at = found.index;
    const part = special(text, at, depth, misses);
    if (part) {
      if (at > from) made.push(text.slice(from, at));
      made.push(part.shown);
      from = part.end;
    }
    SPECIAL.lastIndex = Math.max(part ? part.end : at + skip(text, at), at + 1);
  }
  if (from === 0) return text;
  made.push(text.slice(from));
  return made;
}

// A run of marks that opens nothing is passed over as one.
function skip(text, at) {
  let end = at + 1;
  while (text[end] === text[at] && "*_~`".includes(text[at])) end += 1;
  return end - at;
}

function special(text, at, depth, misses) {
  const mark = text[at];
  if (mark === "\\") return /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "") ? { shown: text[at + 1], end: at + 2 } : null;
  if (mark === "`") return spelled(text, at, misses);
  if (misses.has(mark)) return null;
  if (mark === "h") return bare(text, at);
  if (mark === "<") return angled(text, at);
  if (mark === "!") return text[at + 1] === "[" ? linked(text, at + 1, depth, misses) : null;
  if (mark === "[") return linked(text, at, depth, misses);
  return stressed(text, at, depth, misses);
}

function spelled(text, at, misses) {
  let open = at;
  while (text[open] === "`") open += 1;
  const mark = text.slice(at, open);
  if (misses.has(mark)) return null;
  let end = text.indexOf(mark, open);
  while (end >= 0 && text[end + mark.length] === "`") {
    let past = end;
    while (text[past] === "`") past += 1;
    end = text.indexOf(mark, past);
  }
  if (end < 0) return void misses.add(mark) ?? null;
  return { shown: html`<code>${text.slice(open, end).replace(/^ (.*\S.*) $/s, "$1")}</code>`, end: end + mark.length };
}

const KINDS = { "**": "strong", __: "strong", "~~": "del", "*": "em", _: "em" };

function stressed(text, at, depth, misses) {
  const mark = text[at] === text[at + 1] ? text.slice(at, at + 2) : text[at];
  const kind = KINDS[mark];
  const open = at + mark.length;
  if (!kind || misses.has(mark) || !/\S/.test(text[open] ?? " ")) return null;
  if (mark[0] === "_" && /[\p{L}\p{N}]/u.test(text[at - 1] ?? " ")) return null; // within a name
  const end = closing(text, open, mark);
  if (end < 0) return void misses.add(mark) ?? null;
  return { shown: html`<${kind}>${inline(text.slice(open, end), depth + 1, misses.has("h") ? LINKS : NO_MARKS)}<//>`, end: end + mark.length };
}

function closing(text, open, mark) {
  for (let end = text.indexOf(mark, open + 1); end >= 0; end = text.indexOf(mark, end + 1)) {
    const double = mark.length === 1 && (text[end + 1] === mark || text[end - 1] === mark);
    const within = mark[0] === "_" && /[\p{L}\p{N}]/u.test(text[end + mark.length] ?? " ");
    if (!double && !within && /\S/.test(text[end - 1])) return end;
  }
  return -1;
}

const WORDS = 1000; // characters of a link's words, and of an address
const ADDRESS = 4000;

function linked(text, at, depth, misses) {
  if (misses.has("[")) return null;
  const middle = text.indexOf("](", at);
  if (middle < 0) return void misses.add("[") ?? null;
  const words = text.slice(at + 1, middle);
  if (words.length > WORDS || words.includes("[")) return null;
  const end = endOfAddress(text, middle + 2);
  if (end < 0) return null;
  const url = followed(text.slice(middle + 2, end).trim().replace(/^<(.*)>$/, "$1").replace(/\s+["'(].*$/s, ""));
  if (!url) return null;
  return { shown: html`<${Out} url=${url}>${inline(words, depth + 1, LINKS)}<//>`, end: end + 1 };
}

function endOfAddress(text, from) {
  let open = 0;
  for (let at = from; at < text.length && at < from + ADDRESS; at += 1) {
    if (text[at] === "\n") return -1;
    if (text[at] === "(") open += 1;
    else if (text[at] === ")") {
      if (open === 0) return at;
      open -= 1;
    }
  }
  return -1;
}

function bare(text, at) {
  if (/[\p{L}\p{N}]/u.test(text[at - 1] ?? " ")) return null;
  const found = /^https?:\/\/[^\s<>"'`|\\^{}]+/.exec(text.slice(at, at + ADDRESS));
  const address = found?.[0].replace(/[.,;:!?*_~)\]]+$/, "");
  const url = address && followed(address);
  return url ? { shown: html`<${Out} url=${url} own=${address} />`, end: at + address.length } : null;
}

function angled(text, at) {
  const end = text.indexOf(">", at);
  if (end < 0 || end - at > ADDRESS) return null;
  const address = text.slice(at + 1, end);
  const url = /\s/.test(address) ? null : followed(address);
  return url && { shown: html`<${Out} url=${url} own=${address} />`, end: end + 1 };
}

// A way out of the page. Where it leads stands beside it, whatever its words are.
const Out = ({ url, own, children }) => html`
  <a class="out" href=${url.href} title=${url.href} target="_blank" rel="noopener noreferrer nofollow">${own ?? children}</a>${
  own ? "" : html`<span class="out-to"> (${url.host})</span>`}`;
