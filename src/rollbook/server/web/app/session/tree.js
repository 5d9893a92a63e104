// The session and what it began, and that, and so on: what each cost by itself, and with all below it.

import { html, useState } from "../html.js";
import { sessionUrl } from "../state.js";
import { plural } from "../format.js";
import { Money, Section, Status } from "../ui/parts.js";
import { titleOf } from "../ui/session.js";
import { oneLine } from "../text.js";

const FEW = 12;

export function Tree({ branches }) {
  const [all, setAll] = useState(false);
  if (branches.length < 2) return null;
  const shown = all ? branches : branches.slice(0, FEW);
  return html`
    <${Section} title="Sub-agents" kind="tree">
      <div class="table-wrap"><table class="table tree-table" aria-label="Sub-agents">
        <thead><tr><th scope="col">Session</th><th scope="col" class="right" title="By itself">Own</th><th scope="col" class="right" title="With everything below it">In all</th></tr></thead>
        <tbody>${shown.map((branch, place) => html`<tr key=${`${branch.user_id} ${branch.session_id}`}>
          <td class="fill"><div class=${`branch depth-${Math.min(branch.depth, 6)}`}><${Status} name=${branch.effective_status} quiet=${true} />
            ${place === 0 ? html`<span class="clip" title="This session">This session</span>` : html`<a class="clip" href=${sessionUrl(branch.user_id, branch.session_id)} title=${`${oneLine(titleOf(branch), 300)}\n${oneLine(branch.session_id, 300)}`}>${oneLine(titleOf(branch), 200)}</a>`}</div></td>
          <td class="right"><${Money} of=${branch} /></td>
          <td class="right">${branch.sessions > 1 ? html`<${Money} nano=${branch.inclusive_cost_nano_usd} calls=${branch.inclusive_calls} unpriced=${branch.inclusive_unpriced_calls} />` : html`<span class="muted" aria-label="the same">–</span>`}</td></tr>`)}</tbody>
      </table></div>
      ${!all && branches.length > FEW && html`<button type="button" class="link-button" onClick=${() => setAll(true)}>${`Show ${plural(branches.length - FEW, "more")}`.replace("mores", "more")}</button>`}
    <//>`;
}
