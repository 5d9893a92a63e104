// What a rule for old sessions would remove. Nothing is removed here: the command that does so is shown.

import { html, useState } from "../html.js";
import { useAnswer } from "../asking.js";
import { count, plural } from "../format.js";
import { Field } from "../ui/ask.js";
import { Section } from "../ui/parts.js";
import { Shown } from "../ui/states.js";
import { Choose, Copied } from "./parts.js";

const AGES = [["", "for ever"], ["30d", "30 days"], ["90d", "90 days"], ["180d", "180 days"], ["365d", "a year"], ["730d", "two years"]];
const KINDS = [
  ["sessions", "Sessions", "All but what they spent."],
  ["content", "What was said of them", "Titles, goals, tags, metadata; figures stay."],
  ["ledger", "Single ledger rows", "Sums stay, by quarter hour."],
];

export function Retention() {
  const [rule, setRule] = useState({ sessions: "", content: "", ledger: "" });
  const named = Object.entries(rule).filter(([, age]) => age);
  return html`
    <${Section} title="Retention" note="What would go if it were kept no longer; running sessions never do.">
      <div class="ages">${KINDS.map(([name, title, hint]) => html`
        <${Field} key=${name} label=${title} hint=${hint}><${Choose} name=${name} options=${AGES} value=${rule[name]} onChange=${(age) => setRule({ ...rule, [name]: age })} /><//>`)}</div>
      ${named.length > 0 && html`<${Foreseen} rule=${rule} named=${named} />`}
    <//>`;
}

function Foreseen({ rule, named }) {
  const asked = useAnswer("/api/v1/retention", rule);
  return html`
    <${Shown} asked=${asked} what="What would go cannot be told." rows=${1}>${(found) => html`
      <p class="foreseen" role="status">${said(found)}</p>
      <p class="muted">Nothing is removed here. Where the book is, this asks once more and does it:</p>
      <${Copied} text=${`rollbook prune ${named.map(([name, age]) => `--${name} ${age}`).join(" ")} --all-users`} label="The command" />`}<//>`;
}

function said(found) {
  const parts = [
    found.sessions && `${plural(found.sessions, "session")} (what they spent stays)`,
    found.contents && `what was said of ${plural(found.contents, "session")}`,
    found.ledger_rows && `${plural(found.ledger_rows, "ledger row")} (${count(found.closing_rows)} stand for them then)`,
  ].filter(Boolean);
  return parts.length ? html`<strong>${parts.join(", ")}</strong> would go.` : "Nothing is that old.";
}
