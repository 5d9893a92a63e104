// Asking the server. What goes wrong is thrown as Failed, so that nobody takes it for an empty answer.

import { leave } from "./state.js";

export class Failed extends Error {
  // status: 0 where the server could not be reached
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  get unreachable() { return this.status === 0; }
  get missing() { return this.status === 404 || this.status === 410; }
  get forbidden() { return this.status === 403; }
}

export function address(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return text ? `${path}${path.includes("?") ? "&" : "?"}${text}` : path;
}

// A segment of a path: ids may hold slashes.
export const segment = (text) => encodeURIComponent(text);

// What there is of a session, whatever it is called: "." and "stats" would be other paths.
export const sessionPath = (id, rest = "") => address(`/api/v1/session${rest}`, { session_id: id });

export const get = (path, params, options) => ask("GET", address(path, params), undefined, options);
export const post = (path, body, options) => ask("POST", path, body, options);
export const put = (path, body, options) => ask("PUT", path, body, options);
export const patch = (path, body, options) => ask("PATCH", path, body, options);
export const del = (path, params, options) => ask("DELETE", address(path, params), undefined, options);

async function ask(method, url, body, { signal } = {}) {
  const said = { method, signal, headers: { accept: "application/json" }, credentials: "same-origin" };
  if (body !== undefined) {
    said.headers["content-type"] = "application/json";
    said.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(url, said);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failed(0, "The server cannot be reached.");
  }
  if (answer.status === 401) return signInAgain();
  if (!answer.ok) throw new Failed(answer.status, await reason(answer));
  return answer.status === 204 ? null : read(answer);
}

async function read(answer) {
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failed(answer.status, "The server's answer cannot be read.");
  }
}

async function reason(answer) {
  let said;
  try {
    said = await answer.json();
  } catch {
    return `The server answered ${answer.status} ${answer.statusText}.`.replace(" .", ".");
  }
  const detail = said.detail ?? said.error;
  if (Array.isArray(detail)) return detail.map(place).join("; ");
  return typeof detail === "string" ? detail : `The server answered ${answer.status}.`;
}

function place(line) {
  const where = (line.loc ?? []).slice(1).join(".");
  return where ? `${where}: ${line.msg}` : line.msg;
}

// The same address shows the page on which one signs in, and comes back here afterwards, to where one was.
function signInAgain() {
  leave();
  location.reload();
  return new Promise(() => {});
}
