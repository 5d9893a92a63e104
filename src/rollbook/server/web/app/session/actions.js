// What may be done with a session: by whoever may write it.

import { html, useState } from "../html.js";
import { me } from "../people.js";
import { Icon } from "../ui/icon.js";
import { later } from "../ui/later.js";
import { Menu } from "../ui/menu.js";

// An administrator writes everything, a writer what is the user's own or a child user's.
export function mayChange(userId) {
  const { role, user_id: own, children = [] } = me.value ?? {};
  return role === "admin" || (role === "writer" && (own === userId || children.includes(userId)));
}

const Change = later(() => import("./changing.js"), "Change");

export function Actions({ session, writes, raw, onRaw }) {
  const [asked, setAsked] = useState(null);
  const over = session.status !== "running";
  const close = () => setAsked(null);
  const choose = (name, shut) => () => { shut(); setAsked(name); };
  return html`
    <div class="session-actions">
      ${writes && html`<button type="button" class="button" onClick=${() => setAsked("edit")}>Edit</button>
        ${over ? html`<button type="button" class="button" onClick=${() => setAsked("reopen")}>Reopen</button>` : html`<button type="button" class="button" onClick=${() => setAsked("end")}>End</button>`}`}
      <${Menu} label=${html`<${Icon} name="more" />`} name="More" align="end" quiet=${true}>${(shut) => html`
        <button type="button" onClick=${() => { shut(); onRaw(); }}>${raw ? "Hide raw JSON" : "Raw JSON"}</button>
        ${writes && html`<button type="button" class="button-bad" onClick=${choose("delete", shut)}>Delete…</button>`}`}<//>
      ${asked && html`<${Change} name=${asked} session=${session} close=${close} />`}
    </div>`;
}
