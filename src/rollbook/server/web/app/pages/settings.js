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

const SETTLES_MS = 3000; // in which what stands above a part has come, as a rule

// Show a part, and keep it in its place while what stands above it comes; whoever scrolls goes before that.
function showPart(name) {
  const place = document.getElementById(name);
  const watch = new ResizeObserver(() => place.scrollIntoView());
  const end = () => watch.disconnect();
  watch.observe(place.parentElement);
  const timer = setTimeout(end, SETTLES_MS);
  const moves = ["wheel", "touchmove", "keydown", "pointerdown"];
  for (const each of moves) addEventListener(each, end, { once: true, passive: true });
  return () => {
    clearTimeout(timer);
    end();
    for (const each of moves) removeEventListener(each, end);
  };
}

export default function Settings() {
  const admin = isAdmin();
  const parts = PARTS.filter(([, , , guarded]) => admin || !guarded);
  const here = hash.value;
  useEffect(() => (parts.some(([name]) => name === here) ? showPart(here) : undefined), [here]);
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
