// What may come next in a query: fields where a term begins, values where one has a field.

import { termsOf, written } from "./terms.js";

const MOST = 9;

// { from, to, choices: [{ text, name, says, open }] } for the text and the place of the caret in it; fields: as the server tells them.
// open: what is chosen is not whole yet.
export function choicesAt(query, caret, fields) {
  const term = termsOf(query).find((each) => each.start < caret && caret <= each.end);
  if (!term) return { from: caret, to: caret, choices: fieldsLike("", fields) };
  const start = term.start + (term.negated ? 1 : 0);
  const typed = query.slice(start, caret);
  if (!term.field) return { from: start, to: term.end, choices: fieldsLike(typed, fields) };
  const from = start + term.field.length;
  return { from, to: term.end, choices: fields[term.field] ? valuesLike(fields[term.field], query.slice(from, Math.max(from, caret))) : [] };
}

function fieldsLike(typed, fields) {
  const begin = typed.toLowerCase();
  const found = Object.values(fields).filter(({ name }) => name.startsWith(begin) && name !== begin)
    .map(({ name, says, kind, compares }) => ({ text: name + (compares && kind !== "time" ? ">" : ":"), name, says, open: true }));
  if (!begin) return found.slice(0, MOST);
  const named = Object.values(fields).filter((field) => !field.compares).flatMap(({ name, values }) => values.filter((value) => value.toLowerCase().includes(begin))
    .map((value) => ({ text: `${name}:${written(value)}`, name: `${name}:${value}`, says: "" })));
  return [...found, ...named].slice(0, MOST);
}

// Behind a comma another value is begun; those that stand there already are not offered again.
function valuesLike({ name, values, compares }, typed) {
  if (compares) return values.filter((value) => value.startsWith(typed) && value !== typed).map((value) => ({ text: value, name: name + value, says: "" }));
  const listed = typed.replace(/^[:=]/, "").split(",");
  const begin = listed.pop().replace(/^"/, "").toLowerCase();
  const found = values.filter((value) => value.toLowerCase().includes(begin) && value.toLowerCase() !== begin && !listed.includes(value));
  return found.slice(0, MOST).map((value) => ({ text: `:${[...listed, written(value)].join(",")}`, name: value, says: "" }));
}

// The query with a choice in its place, and where the caret stands then.
export function completed(query, { from, to }, choice) {
  const after = query.slice(to);
  const text = query.slice(0, from) + choice.text + (choice.open || /^\s/.test(after) ? "" : " ");
  return { text: text + after, caret: text.length };
}
