// Which datasets users see beside their own, and which users stand under others.

import { html, useEffect, useState } from "../html.js";
import { del, post } from "../api.js";
import { useAnswer } from "../asking.js";
import { shortId } from "../format.js";
import { learn, userName } from "../people.js";
import { Ask, Field } from "../ui/ask.js";
import { Icon } from "../ui/icon.js";
import { Badge, Section, Table, Time } from "../ui/parts.js";
import { Empty, Shown } from "../ui/states.js";
import { say } from "../ui/toast.js";
import { Choose } from "./parts.js";

const GRANTS = "/api/v1/grants";
const FAMILIES = "/api/v1/families";
const ACCESS = [["read", "read: sees its sessions"], ["write", "write: puts sessions into it as well"]];

// What lists and forms share: which question is open, and doing what its answer says.
function useAsking(path) {
  const asked = useAnswer(path);
  const [open, setOpen] = useState(null);
  const done = (work, text) => async (values) => {
    await work(values);
    setOpen(null);
    say(text);
    asked.again();
  };
  return { asked, open, setOpen, close: () => setOpen(null), done };
}

const New = ({ label, onClick }) => html`<button type="button" class="button" onClick=${onClick}><${Icon} name="plus" />${label}</button>`;
const User = ({ id, name }) => html`<span class="clip" title=${id}>${name ?? userName(id)}</span>`;

export function Grants() {
  const { asked, open, setOpen, close, done } = useAsking(GRANTS);
  return html`
    <${Section} title="Grants" note="Datasets that users see beside sessions of their own." aside=${html`<${New} label="New grant" onClick=${() => setOpen("new")} />`}>
      <${Shown} asked=${asked} what="Grants cannot be listed.">${(grants) => (grants.length
        ? html`<${Table} label="Grants" rows=${grants} keyOf=${(it) => `${it.user_id} ${it.dataset_id}`} columns=${grantColumns(setOpen)} />`
        : html`<${Empty} title="Nothing was granted: users see what is their own." />`)}<//>
      ${open === "new" && html`
        <${Ask} title="New grant" what="Nothing was granted." submit="Grant" onClose=${close} onSubmit=${done((values) => post(GRANTS, values), "The dataset was granted.")}>
          <${Field} label="User" hint="A name, an e-mail or an id."><input name="user" required autocomplete="off" maxlength="256" /><//>
          <${Field} label="Dataset" hint="Its id."><input name="dataset_id" required autocomplete="off" class="mono" spellcheck=${false} /><//>
          <${Field} label="Access"><${Choose} name="access" options=${ACCESS} /><//>
        <//>`}
      ${open?.dataset_id && html`
        <${Ask} title="Take this grant back?" what="The grant was not taken back." submit="Take it back" tone="bad" onClose=${close}
          onSubmit=${done(() => del(GRANTS, { user: open.user_id, dataset_id: open.dataset_id }), "The grant was taken back.")}>
          <p>${userName(open.user_id)} does not see the dataset <code>${open.dataset_id}</code> any more.</p>
        <//>`}
    <//>`;
}

const grantColumns = (onBack) => [
  { key: "user", title: "User", kind: "key-user", cell: (it) => html`<${User} id=${it.user_id} />` },
  { key: "dataset", title: "Dataset", kind: "fill", cell: (it) => html`<code title=${it.dataset_id}>${it.dataset_id}</code>` },
  { key: "access", title: "Access", cell: (it) => html`<${Badge}>${it.access}<//>` },
  { key: "since", title: "Since", right: true, kind: "wide", cell: (it) => html`<${Time} at=${it.created_at} />` },
  { key: "do", title: html`<span class="unseen">Take back</span>`, right: true, cell: (it) => html`<button type="button" class="quiet" aria-label=${`Take back ${shortId(it.dataset_id)} of ${userName(it.user_id)}`} onClick=${() => onBack(it)}>Take back</button>` },
];

export function Families() {
  const { asked, open, setOpen, close, done } = useAsking(FAMILIES);
  useEffect(() => { if (asked.data) learn(asked.data); }, [asked.data]);
  return html`
    <${Section} title="Users under others" note="Whoever stands above sees and changes what is theirs." aside=${html`<${New} label="Put under" onClick=${() => setOpen("new")} />`}>
      <${Shown} asked=${asked} what="Users under others cannot be listed.">${(families) => (families.length
        ? html`<${Table} label="Users under others" rows=${families} keyOf=${(it) => it.user_id} columns=${familyColumns(setOpen)} />`
        : html`<${Empty} title="No user stands under another one." />`)}<//>
      ${open === "new" && html`
        <${Ask} title="Put a user under another one" what="Nothing was changed." submit="Put under" onClose=${close} onSubmit=${done((values) => post(FAMILIES, values), "The user was put under the other one.")}>
          <${Field} label="User" hint="A name, an e-mail or an id."><input name="user" required autocomplete="off" maxlength="256" /><//>
          <${Field} label="Under"><input name="parent" required autocomplete="off" maxlength="256" /><//>
        <//>`}
      ${open?.user_id && html`
        <${Ask} title="Put this user under nobody?" what="Nothing was changed." submit="Take out" tone="bad" onClose=${close}
          onSubmit=${done(() => post(FAMILIES, { user: open.user_id, parent: null }), "The user stands under nobody.")}>
          <p>${open.parent_user_name ?? userName(open.parent_user_id)} does not see sessions of ${open.user_name ?? userName(open.user_id)} any more.</p>
        <//>`}
    <//>`;
}

const familyColumns = (onOut) => [
  { key: "user", title: "User", kind: "key-user", cell: (it) => html`<${User} id=${it.user_id} name=${it.user_name} />` },
  { key: "parent", title: "Under", kind: "fill", cell: (it) => html`<${User} id=${it.parent_user_id} name=${it.parent_user_name} />` },
  { key: "do", title: html`<span class="unseen">Take out</span>`, right: true, cell: (it) => html`<button type="button" class="quiet" aria-label=${`Take out ${it.user_name ?? shortId(it.user_id)}`} onClick=${() => onOut(it)}>Take out</button>` },
];
