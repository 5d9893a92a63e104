// A session, where it stands in a line of a list.

import { html } from "../html.js";
import { sessionUrl } from "../state.js";
import { shortId } from "../format.js";
import { oneLine } from "../text.js";

// What a session is called: what was said of it, or its id.
export const titleOf = (session) => oneLine(session.title || session.goal_text || shortId(session.session_id));

export const SessionLink = ({ session, hash }) => html`
  <a class="session-link clip" href=${sessionUrl(session.user_id, session.session_id, hash)}
    title=${`${oneLine(session.title || session.goal_text || "No title")}\n${oneLine(session.session_id, 512)}`}>${titleOf(session)}</a>`;

// A click anywhere in a row does what one on its link does; one that marks text, or picks, does not.
export function followLink(event) {
  if (event.target.closest("a, button, input, label") || String(getSelection())) return;
  const { ctrlKey, metaKey, shiftKey } = event;
  event.currentTarget.querySelector("a[href]")?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey }));
}

// An agent, or that none is known.
export const Agent = ({ name }) => (name ? html`<span class="clip">${oneLine(name, 80)}</span>` : html`<span class="muted">no agent</span>`);
