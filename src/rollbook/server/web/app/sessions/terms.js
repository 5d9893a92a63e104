// The text of a query as terms, so that menus can change one and leave the others as they were written.

import { quoted } from "../state.js";

const TERM = /-?(?:[^\s"]|"(?:[^"\\]|\\.)*"?)+/gs;
const HEAD = /^(-?)([A-Za-z_]+)(:|>=|<=|>|<|=)/;
const PIECE = /"((?:[^"\\]|\\.)*)"?|([^",]+)|,/gs;

// [{ text, start, end, negated, field, sign, value }]; field is "" for a text that is looked for.
export function termsOf(query) {
  return [...query.matchAll(TERM)].map((found) => {
    const [text] = found;
    const head = HEAD.exec(text);
    const said = head ? { negated: head[1] === "-", field: head[2].toLowerCase(), sign: head[3], value: text.slice(head[0].length) }
      : { negated: text.startsWith("-"), field: "", sign: "", value: text };
    return { text, start: found.index, end: found.index + text.length, ...said };
  });
}

// The values that a query asks of a field, as they are called: status:failed,abandoned -> ["failed", "abandoned"].
export function valuesOf(query, field) {
  return termsOf(query).filter((term) => term.field === field && !term.negated && term.sign === ":").flatMap((term) => listed(term.value));
}

function listed(value) {
  const found = [""];
  for (const [piece, exact, bare] of value.matchAll(PIECE)) {
    if (piece === ",") found.push("");
    else found[found.length - 1] += exact === undefined ? bare : exact.replace(/\\(.)/gs, "$1");
  }
  return found.filter(Boolean);
}

// The terms of a field that compare: cost>=1 cost<5 -> ["cost>=1", "cost<5"].
export const comparisonsOf = (query, field) => termsOf(query).filter((term) => term.field === field).map((term) => term.text);

// The query with other terms of a field, in the place where they were.
export function withTerms(query, field, texts) {
  const terms = termsOf(query);
  const first = terms.findIndex((term) => term.field === field && !term.negated);
  const left = terms.filter((term) => term.field !== field || term.negated).map((term) => term.text);
  left.splice(first < 0 ? left.length : first, 0, ...texts);
  return left.join(" ");
}

export function withValues(query, field, values) {
  return withTerms(query, field, values.length ? [`${field}:${values.map(written).join(",")}`] : []);
}

// A value as it is written: in quotes where it has to be.
export const written = (value) => (value.includes("*") || /^[\w.@/+:-]+$/.test(value) ? value : quoted(value));

// Whether somebody is still writing: a field without a value, or a quote without an end.
export function unfinished(query) {
  const last = termsOf(query).at(-1);
  if (!last || last.end < query.length) return false;
  return (last.field !== "" && last.value === "") || last.text === "-" || (last.text.replace(/\\./gs, "").split('"').length % 2) === 0;
}
