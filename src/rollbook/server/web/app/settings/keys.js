// Keys: who may come in with which. A new one is shown once; one that is revoked stays in the list.

import { html, useEffect, useState } from "../html.js";
import { del, post, segment } from "../api.js";
import { useAnswer } from "../asking.js";
import { now } from "../clock.js";
import { plural, shortId } from "../format.js";
import { learn, me } from "../people.js";
import { Ask, Field } from "../ui/ask.js";
import { Dialog } from "../ui/dialog.js";
import { Icon } from "../ui/icon.js";
import { Badge, Section, Table, Time } from "../ui/parts.js";
import { Empty, Shown } from "../ui/states.js";
import { say } from "../ui/toast.js";
import { Choose, Copied } from "./parts.js";

const KEYS = "/api/v1/keys";
const DAY_MS = 86400000;
const ROLES = [["writer", "writer: records and changes sessions of the user's own"], ["reader", "reader: sees them"], ["admin", "admin: everything"]];
const LASTS = [["", "until it is revoked"], ["7", "7 days"], ["30", "30 days"], ["90", "90 days"], ["365", "a year"]];
const TONES = { admin: "accent" };

export function Keys() {
  const asked = useAnswer(KEYS);
  const [open, setOpen] = useState(null); // "new", a key that was made, or one to be revoked
  const [all, setAll] = useState(false);
  useEffect(() => { if (asked.data) learn(asked.data); }, [asked.data]);
  const close = () => setOpen(null);
  const make = async (values) => {
    setOpen({ made: await post(KEYS, wanted(values)) });
    asked.again();
  };
  const revoke = async (key) => {
    await del(`${KEYS}/${segment(key.key_id)}`);
    close();
    say(`The key of ${key.user_name ?? shortId(key.user_id)} lets nobody in any more.`);
    asked.again();
  };
  return html`
    <${Section} title="Keys" note="Programs and people come in with them." aside=${html`<button type="button" class="button" onClick=${() => setOpen("new")}><${Icon} name="plus" />New key</button>`}>
      <${Shown} asked=${asked} what="Keys cannot be listed.">${(keys) => html`<${List} keys=${keys} all=${all} setAll=${setAll} onRevoke=${(key) => setOpen({ revoke: key })} />`}<//>
      ${open === "new" && html`<${NewKey} onSubmit=${make} onClose=${close} />`}
      ${open?.made && html`<${Made} made=${open.made} onClose=${close} />`}
      ${open?.revoke && html`<${Revoke} key=${open.revoke.key_id} one=${open.revoke} onSubmit=${() => revoke(open.revoke)} onClose=${close} />`}
    <//>`;
}

const isOver = (key) => Boolean(key.revoked_at) || (key.expires_at !== null && Date.parse(key.expires_at) <= now.value);

function List({ keys, all, setAll, onRevoke }) {
  const over = keys.filter(isOver);
  const shown = all ? keys : keys.filter((key) => !isOver(key));
  return html`
    ${shown.length > 0 ? html`<${Table} label="Keys" rows=${shown} keyOf=${(key) => key.key_id} rowKind=${(key) => (isOver(key) ? "over" : null)} columns=${columns(onRevoke)} />`
      : html`<${Empty} title=${over.length ? "No key lets anybody in." : "There are no keys yet."}>This machine's own user needs none. Make one for whoever is to come from elsewhere.<//>`}
    ${over.length > 0 && html`<button type="button" class="quiet more" aria-expanded=${String(all)} onClick=${() => setAll(!all)}>${all ? "Leave out" : "Show"} ${plural(over.length, "key")} that ${over.length === 1 ? "lets" : "let"} nobody in</button>`}`;
}

const columns = (onRevoke) => [
  { key: "id", title: "Key", kind: "wide", cell: (key) => html`<code title="What stands behind its rb_">${key.key_id}</code>` },
  { key: "label", title: "Label", kind: "fill", cell: (key) => key.label || html`<span class="muted"><span class="wide-text">–</span><code class="narrow-text">${key.key_id}</code></span>` },
  { key: "user", title: "User", kind: "key-user", cell: (key) => html`<span class="clip" title=${key.user_id}>${key.user_name ?? shortId(key.user_id)}</span>` },
  { key: "role", title: "Role", cell: (key) => html`<${Badge} tone=${TONES[key.role]}>${key.role}<//>` },
  { key: "datasets", title: "Datasets", right: true, kind: "wide", cell: (key) => html`<span title=${key.datasets.join("\n")}>${key.datasets.length || html`<span class="muted">–</span>`}</span>` },
  { key: "made", title: "Made", right: true, kind: "wide", cell: (key) => html`<${Time} at=${key.created_at} />` },
  { key: "until", title: "Until", right: true, kind: "wide", cell: (key) => (key.revoked_at ? html`<span class="muted">revoked <${Time} at=${key.revoked_at} /></span>` : html`<${Time} at=${key.expires_at} />`) },
  { key: "do", title: html`<span class="unseen">Revoke</span>`, right: true, cell: (key) => !isOver(key) && html`<button type="button" class="quiet" aria-label=${`Revoke ${key.label || key.key_id}`} onClick=${() => onRevoke(key)}>Revoke</button>` },
];

function wanted({ user, role, label, days, datasets }) {
  const expires = days ? new Date(Date.now() + Number(days) * DAY_MS).toISOString() : null;
  return { user, role, label, expires_at: expires, datasets: datasets.split(/[\s,]+/).filter(Boolean) };
}

const NewKey = ({ onSubmit, onClose }) => html`
  <${Ask} title="New key" what="The key was not made." submit="Make it" onSubmit=${onSubmit} onClose=${onClose}>
    <${Field} label="User" hint="A name, an e-mail or an id; a new name is a new user."><input name="user" required autocomplete="off" maxlength="256" /><//>
    <${Field} label="Role"><${Choose} name="role" options=${ROLES} /><//>
    <${Field} label="Label" hint="What it is for."><input name="label" autocomplete="off" maxlength="200" /><//>
    <${Field} label="Lets in"><${Choose} name="days" options=${LASTS} /><//>
    <${Field} label="Datasets" hint="Ids of those that it may see as well; none is usual."><textarea name="datasets" rows="2" spellcheck=${false}></textarea><//>
  <//>`;

const Made = ({ made, onClose }) => html`
  <${Dialog} title="The key is made" onClose=${onClose} closes="Done" firm=${true}>
    <p>It is shown this once; the book keeps a hash of it.</p>
    <${Copied} text=${made.key} label="The key" long=${true} />
    <p class="muted">Show it as <code>Authorization: Bearer …</code>, or sign in with it.</p>
  <//>`;

const Revoke = ({ one, onSubmit, onClose }) => html`
  <${Ask} title="Revoke this key?" what="The key was not revoked." submit="Revoke" tone="bad" onSubmit=${onSubmit} onClose=${onClose}>
    <p><code>${one.key_id}</code>${one.label && html` <strong>${one.label}</strong>`}, of ${one.user_name ?? one.user_id} (${one.role}), lets nobody in from now on. Who signed in with it is signed out. It cannot be taken back.</p>
    ${one.key_id === me.value.key_id && html`<p class="warned">It is the key that you are signed in with.</p>`}
  <//>`;
