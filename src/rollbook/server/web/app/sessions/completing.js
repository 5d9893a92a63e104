// What may come next in a query: fields where a term begins, values where one has a field.

import { termsOf } from "./terms.js";
import { FIELDS } from "./fields.js";
import { quoted } from "../state.js";

const MOST = 9;

// { from, to, choices: [{ text, says, name }] } for the text and the place of the caret in it; values: names by field.
export function choicesAt(query, caret, values) {
  const term = termsOf(query).find((each) => each.start < caret && caret <= each.end);
  if (!term) return { from: caret, to: caret, choices: caret && !/\s/.test(query[caret - 1]) ? [] : fieldsLike("") };
  const before = query.slice(term.start, caret);
  const minus = before.startsWith("-") ? 1 : 0;
  if (!term.field) return { from: term.start + minus, to: term.end, choices: fieldsLike(before.slice(minus), values) };
  const from = term.start + minus + term.field.length;
  return { from, to: term.end, choices: valuesLike(term, query.slice(from, caret), values) };
}

function fieldsLike(typed, values = {}) {
  const begin = typed.toLowerCase();
  const fields = Object.entries(FIELDS).filter(([name]) => name.startsWith(begin) && name !== begin)
    .map(([name, field]) => ({ text: field.begin ?? `${name}:`, name, says: field.says, open: true }));
  if (!begin) return fields.slice(0, MOST);
  const named = Object.keys(FIELDS).flatMap((name) => wordsOf(name, values).filter((word) => /^\w/.test(word) && word.toLowerCase().includes(begin))
    .map((word) => ({ text: `${name}:${written(word)}`, name: `${name}:${word}`, says: "" })));
  return [...fields, ...named].slice(0, MOST);
}

const wordsOf = (name, values) => FIELDS[name].words ?? values[name] ?? [];
const written = (word) => (/^[\w.@/+:-]+$/.test(word) ? word : quoted(word));

// Behind a comma another value is begun; those that stand there already are not offered again.
function valuesLike(term, typed, values) {
  const field = FIELDS[term.field];
  if (!field) return [];
  const [, sign, text] = /^(:|>=|<=|>|<|=)?(.*)$/s.exec(typed);
  const compares = !["word", "name", "yes"].includes(field.kind);
  if (compares) return field.words.filter((word) => word.startsWith(typed) && word !== typed).map((word) => ({ text: word, name: term.field + word, says: "" }));
  const listed = text.split(",");
  const begin = listed.pop().replace(/^"/, "").toLowerCase();
  const found = wordsOf(term.field, values).filter((word) => word.toLowerCase().includes(begin) && word.toLowerCase() !== begin && !listed.includes(word));
  return found.slice(0, MOST).map((word) => ({ text: (sign ?? ":") + [...listed, written(word)].join(","), name: word, says: "" }));
}

// The query with a choice in its place, and where the caret stands then.
export function completed(query, { from, to }, choice) {
  const after = query.slice(to);
  const text = query.slice(0, from) + choice.text + (choice.open || /^\s/.test(after) ? "" : " ");
  return { text: text + after, caret: text.length };
}
