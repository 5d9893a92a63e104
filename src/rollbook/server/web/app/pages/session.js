// Session.

import { html } from "../html.js";
import { Empty } from "../ui/states.js";

export default function Session() {
  return html`<h1>Session</h1><${Empty} title="Coming." />`;
}
