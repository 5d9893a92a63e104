// What stands where something is missing: because it is on its way, because there is none, or because asking failed.

import { html } from "../html.js";
import { Icon } from "./icon.js";

// Lines that hold the place of what comes.
export const Loading = ({ rows = 3, name = "One moment." }) => html`
  <div class="loading" role="status"><span class="unseen">${name}</span>
    ${Array.from({ length: rows }, (_, place) => html`<i key=${place} aria-hidden="true"></i>`)}</div>`;

// There is none, and what to do about it.
export const Empty = ({ title, children }) => html`
  <div class="empty"><p class="empty-title">${title}</p>${children && html`<div class="empty-more">${children}</div>`}</div>`;

// Asking failed. It never looks as if there were none.
export const Failure = ({ error, what = "This cannot be shown.", again }) => html`
  <div class="failure" role="alert"><${Icon} name="warn" />
    <div><p class="failure-title">${what}</p>${error && html`<p class="failure-why">${error.message}</p>`}</div>
    ${again && html`<button type="button" class="button" onClick=${again}>Try again</button>`}</div>`;

// What was asked for, in one of its states: loading, failed, shown.
// <${Shown} asked=${asked} what="Sessions cannot be listed.">${(data) => html`…`}<//>
// What is there stays while it is asked for anew; an error stands above it.
export function Shown({ asked, what, rows, children }) {
  const failure = asked.error && html`<${Failure} error=${asked.error} what=${what} again=${asked.again} />`;
  if (asked.data === null) return failure ?? html`<${Loading} rows=${rows} />`;
  return html`${failure}<div class=${asked.stale ? "shown stale" : "shown"} aria-busy=${asked.stale ? "true" : null}>${children(asked.data)}</div>`;
}
