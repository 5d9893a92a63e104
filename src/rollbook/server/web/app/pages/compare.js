// Two or more sessions side by side. Which they are stands in the address.

import { html } from "../html.js";
import { go, query, sessionsUrl } from "../state.js";
import { useAnswer } from "../asking.js";
import { Choice } from "../ui/parts.js";
import { Empty, Shown } from "../ui/states.js";
import { plural } from "../format.js";
import { loadAll, named, MOST } from "../compare/load.js";
import { Comparison } from "../compare/table.js";
import { Picker } from "../compare/picker.js";

const OFTEN_MS = 2500; // all of it is asked for again after a change
const WHICH = [["", "All"], ["differences", "Differences"]];

export default function Compare() {
  const all = named(query.value);
  const names = all.slice(0, MOST);
  const only = query.value.get("only") === "differences" ? "differences" : "";
  const mine = (changes) => changes === null || changes.some((it) => names.some((each) => each.id === it.session_id && each.user === it.user_id));
  const asked = useAnswer(names.length ? "compare" : null, { names }, { read: loadAll, live: mine, every: OFTEN_MS });
  const show = (next, which = only) => go(addressOf(next, which));
  const chosen = names.map((each) => each.name);
  const add = (name) => show([...chosen, name]);
  if (!names.length) return html`<${Nothing} onChoose=${add} />`;
  return html`
    <div class="page-head compare-head">
      <h1>Compare</h1>
      <p class="muted">${names.length === 1 ? "Add another session to compare this one with." : plural(names.length, "session")}${all.length > MOST ? `, ${all.length - MOST} more left out` : ""}</p>
      <div class="compare-tools">
        ${names.length > 1 && html`<${Choice} label="Which lines" options=${WHICH} value=${only} onChoose=${(which) => show(chosen, which)} />`}
        ${names.length < MOST && html`<${Picker} chosen=${chosen} onChoose=${add} />`}
      </div>
    </div>
    <${Shown} asked=${asked} what="These sessions cannot be compared." rows=${12}>${(data) => html`
      <${Comparison} all=${data} only=${names.length > 1 ? only : ""} onRemove=${(name) => show(chosen.filter((each) => each !== name))}
        onFirst=${(name) => show([name, ...chosen.filter((each) => each !== name)])} />`}<//>`;
}

const Nothing = ({ onChoose }) => html`
  <h1>Compare</h1>
  <${Empty} title="No session is chosen.">Choose two or more, here or in the <a class="link" href=${sessionsUrl()}>table of sessions</a>, to see side by side how long they took, what they cost, and which tools they used.<//>
  <${Picker} chosen=${[]} onChoose=${onChoose} label="Choose a session" main=${true} />`;

function addressOf(names, only) {
  const params = new URLSearchParams(names.map((name) => ["s", name]));
  if (only) params.set("only", only);
  const text = params.toString();
  return text ? `/compare?${text}` : "/compare";
}
