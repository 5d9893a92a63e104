// Who one is signed in as, and what that one sees and may change.

import { html } from "../html.js";
import { me, userName } from "../people.js";
import { plural } from "../format.js";
import { Section, Badge } from "../ui/parts.js";
import { Facts } from "./parts.js";

const MAY = {
  reader: "Sees, and changes nothing.",
  writer: "Sees, and changes sessions of one's own.",
  admin: "Sees and changes everything.",
};

export function You() {
  const it = me.value;
  const local = it.key_id?.startsWith("local") || !it.key_id;
  return html`
    <${Section} title="You">
      <${Facts} lines=${[
        ["Name", it.user_name ?? (local ? "local user" : html`<span class="muted">none</span>`)],
        ["User", html`<code>${it.user_id}</code>`],
        ["Role", html`<${Badge} tone="accent">${it.role}<//> <span class="muted">${MAY[it.role]}</span>`],
        ["Signed in", local ? "on this machine, with its token" : html`with the key <code>${it.key_id}</code>`],
        ["Sessions", seen(it)],
        ["Datasets", datasets(it)],
      ]} />
    <//>`;
}

function seen(it) {
  if (it.everybody) return "everybody's";
  const below = it.children.length ? `, and those of ${it.children.map(userName).join(", ")}` : "";
  return `your own${below}`;
}

function datasets(it) {
  if (it.everybody || (!it.reads.length && !it.writes.length)) return null;
  const writes = it.writes.length ? `, and ${plural(it.writes.length, "dataset")} to put sessions into` : "";
  return html`<span title=${[...it.reads].join("\n")}>${plural(it.reads.length, "dataset")} to read${writes}</span>`;
}
