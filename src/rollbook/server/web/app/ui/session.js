// A session, where it stands in a line of a list.

import { html } from "../html.js";
import { sessionUrl } from "../state.js";
import { shortId } from "../format.js";

// What a session is called: what was said of it, or its id.
export const titleOf = (session) => session.title || session.goal_text || shortId(session.session_id);

export const SessionLink = ({ session, hash }) => html`
  <a class="session-link clip" href=${sessionUrl(session.user_id, session.session_id, hash)}
    title=${`${session.title || session.goal_text || "No title"}\n${session.session_id}`}>${titleOf(session)}</a>`;

// An agent, or that none is known.
export const Agent = ({ name }) => (name ? html`<span class="clip">${name}</span>` : html`<span class="muted">no agent</span>`);
