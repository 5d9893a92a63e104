// Fleet.

import { html } from "../html.js";
import { Empty } from "../ui/states.js";

export default function Fleet() {
  return html`<h1>Fleet</h1><${Empty} title="Coming." />`;
}
