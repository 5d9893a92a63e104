// What is shown, as CSV: by RFC 4180, harmless to the spreadsheet that opens it.

import { get } from "../api.js";

// How a text begins that a spreadsheet might compute: as rollbook/exporters/spreadsheet.py has it.
const FORMULA = /^(?:[\t\r\n']|\s*[=+\-@\uff1d\uff0b\uff0d\uff20])/;
const PAGE = 500;

const harmless = (text) => (FORMULA.test(text) ? `'${text}` : text);

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = harmless(String(value));
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

const line = (values) => `${values.join(",")}\r\n`;
// An amount is a text that may begin with a minus: it is a number all the same.
const valueOf = (column, session) => {
  const value = column.csv(session);
  return column.key === "cost" ? value ?? "" : cell(value);
};

// The whole list, page by page; told(done, total) after each. Answers with a Blob, or null where it was ended.
export async function written(params, columns, told, signal) {
  const parts = [line(columns.map((column) => cell(column.key === "status" ? "state" : column.sort ?? column.key)))];
  let cursor = null;
  let done = 0;
  do {
    const answer = await get("/api/v1/sessions", { ...params, limit: PAGE, cursor }, { signal });
    parts.push(answer.sessions.map((session) => line(columns.map((column) => valueOf(column, session)))).join(""));
    done += answer.sessions.length;
    told(done, answer.total_exact ? answer.total : null);
    cursor = answer.next_cursor;
  } while (cursor);
  return new Blob(parts, { type: "text/csv;charset=utf-8" });
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
