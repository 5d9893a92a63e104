// Settings: who one is, who may come in, by which prices calls are priced, what is kept, and how the book is.

import { html, useEffect } from "../html.js";
import { hash } from "../state.js";
import { isAdmin } from "../people.js";
import { You } from "../settings/you.js";
import { Keys } from "../settings/keys.js";
import { Families, Grants } from "../settings/grants.js";
import { Prices } from "../settings/prices.js";
import { Retention } from "../settings/retention.js";
import { Health } from "../settings/health.js";

const PARTS = [
  ["you", "You", You], ["keys", "Keys", Keys, true], ["grants", "Grants", Grants, true], ["families", "Users under others", Families, true],
  ["prices", "Prices", Prices], ["retention", "Retention", Retention, true], ["health", "Health of the book", Health, true],
];

export default function Settings() {
  const admin = isAdmin();
  const parts = PARTS.filter(([, , , guarded]) => admin || !guarded);
  const here = hash.value;
  useEffect(() => {
    if (parts.some(([name]) => name === here)) document.getElementById(here)?.scrollIntoView();
  }, [here]);
  return html`
    <h1>Settings</h1>
    <div class="settings">
      <nav class="settings-parts" aria-label="Settings">${parts.map(([name, title]) => html`
        <a key=${name} href=${`#${name}`} aria-current=${here === name ? "true" : null}>${title}</a>`)}</nav>
      <div class="settings-all">
        ${parts.map(([name, , Part]) => html`<div key=${name} id=${name}><${Part} /></div>`)}
        ${!admin && html`<p class="muted">Keys, grants, retention and the health of the book are for administrators.</p>`}
      </div>
    </div>`;
}
