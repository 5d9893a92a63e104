// Compare.

import { html } from "../html.js";
import { Empty } from "../ui/states.js";

export default function Compare() {
  return html`<h1>Compare</h1><${Empty} title="Coming." />`;
}
