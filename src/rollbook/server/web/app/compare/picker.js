// Choosing a session by what is said of it, or by its id.

import { html, useEffect, useState } from "../html.js";
import { useAnswer } from "../asking.js";
import { Icon } from "../ui/icon.js";
import { Menu } from "../ui/menu.js";
import { Failure } from "../ui/states.js";
import { Money, Status, Time } from "../ui/parts.js";
import { titleOf } from "../ui/session.js";
import { userName } from "../people.js";
import { oneLine } from "../text.js";
import { nameOf } from "./load.js";

const WAIT_MS = 180;
const SHOWN = 12;

export const Picker = ({ chosen, onChoose, label = "Add a session", main = false }) => html`
  <${Menu} kind=${main ? "picker picker-main" : "picker"} label=${html`<${Icon} name="plus" />${label}`}>
    ${(close) => html`<${Choices} chosen=${chosen} onChoose=${(name) => { close(); onChoose(name); }} />`}
  <//>`;

function Choices({ chosen, onChoose }) {
  const [typed, setTyped] = useState("");
  const [text, setText] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setText(typed.trim()), WAIT_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const asked = useAnswer("/api/v1/sessions", { range: "all", limit: SHOWN + chosen.length, text });
  const left = (asked.data?.sessions ?? []).filter((each) => !chosen.includes(nameOf(each))).slice(0, SHOWN);
  const keyed = (event) => {
    const first = event.currentTarget.querySelector(".choice");
    if (!first || !event.target.matches("input")) return;
    if (event.key === "ArrowDown") first.focus();
    else if (event.key === "Enter") first.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`
    <div class="choices" onKeyDown=${keyed}>
      <input type="search" aria-label="Find a session" placeholder="Title, goal or id" autocomplete="off" value=${typed} onInput=${(event) => setTyped(event.target.value)} />
      <p class="unseen" role="status">${asked.data && !asked.stale ? `${left.length} found` : ""}</p>
      ${asked.error && html`<${Failure} error=${asked.error} what="Sessions cannot be listed." again=${asked.again} />`}
      <ul class=${asked.stale ? "stale" : ""}>${left.map((each) => html`
        <li key=${nameOf(each)}><button type="button" class="choice" onClick=${() => onChoose(nameOf(each))}>
          <span class="choice-title clip">${titleOf(each)}</span>
          <span class="choice-more clip"><${Status} name=${each.effective_status} quiet=${true} /><bdi>${oneLine(each.agent ?? "no agent", 120)}</bdi> · <bdi>${userName(each.user_id)}</bdi> · <${Time} at=${each.last_activity_at} /></span>
          <span class="choice-cost"><${Money} of=${each} /></span>
        </button></li>`)}</ul>
      ${asked.data && left.length === 0 && html`<p class="choices-none muted">${text ? "None is called so." : "There are no others."}</p>`}
    </div>`;
}
