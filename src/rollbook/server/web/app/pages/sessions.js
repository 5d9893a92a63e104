// Sessions.

import { html } from "../html.js";
import { Empty } from "../ui/states.js";

export default function Sessions() {
  return html`<h1>Sessions</h1><${Empty} title="Coming." />`;
}
