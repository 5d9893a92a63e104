// Settings.

import { html } from "../html.js";
import { Empty } from "../ui/states.js";

export default function Settings() {
  return html`<h1>Settings</h1><${Empty} title="Coming." />`;
}
