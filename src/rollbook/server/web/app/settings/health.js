// Whether the books balance, and what is wrong with the book; looked at when somebody asks for it.

import { html, useState } from "../html.js";
import { get } from "../api.js";
import { useAnswer } from "../asking.js";
import { count, plural, span } from "../format.js";
import { Icon } from "../ui/icon.js";
import { Section, Table } from "../ui/parts.js";
import { Shown } from "../ui/states.js";

const SHOWN = 50;

export function Health() {
  const [asks, setAsks] = useState(0);
  const asked = useAnswer(asks ? "health" : null, { asks }, { read: looked });
  const waits = asked.loading || asked.stale;
  return html`
    <${Section} title="Health of the book" note="Every sum is computed again from the ledger; a large book takes a while." aside=${html`
      <button type="button" class="button" disabled=${asks > 0 && waits} onClick=${() => setAsks(asks + 1)}>${asks && waits ? "Looking" : asks ? "Check again" : "Check now"}</button>`}>
      ${asks > 0 && html`<${Shown} asked=${asked} what="The book cannot be checked." rows=${4}>${(data) => html`<${Found} ...${data} />`}<//>`}
    <//>`;
}

async function looked(_path, _params, options) {
  const [books, doctor] = await Promise.all([get("/api/v1/verify", {}, options), get("/api/v1/doctor", {}, options)]);
  return { books, doctor };
}

function Found({ books, doctor }) {
  const wrong = doctor.findings.filter((it) => !it.ok);
  const well = doctor.findings.filter((it) => it.ok);
  const all = books.problems.length + books.more_problems;
  return html`
    <p class=${books.ok ? "verdict good" : "verdict bad"} role="status"><${Icon} name=${books.ok ? "check" : "warn"} />
      ${books.ok ? "The books balance" : `${plural(all, "sum")} ${all === 1 ? "differs" : "differ"} from the rows under them`}
      <span class="muted">${plural(books.sessions, "session")}, ${plural(books.ledger_rows, "ledger row")}, in ${span(books.seconds)}</span></p>
    ${all > 0 && html`<${Problems} found=${books.problems} all=${all} />`}
    ${[...wrong, ...well].map((it) => html`
      <div key=${it.name} class=${it.ok ? "finding" : "finding finding-bad"}>
        <${Icon} name=${it.ok ? "check" : "warn"} /><strong>${it.name}</strong>
        <span>${!it.ok && html`<span class="unseen">Wrong: </span>`}${it.detail}</span>
      </div>`)}`;
}

const Problems = ({ found, all }) => html`
  <${Table} label="Sums that differ" rows=${found.slice(0, SHOWN)} keyOf=${(it) => `${it.what} ${it.where} ${it.field}`} columns=${[
    { key: "what", title: "What", cell: (it) => it.what },
    { key: "where", title: "Where", kind: "fill", cell: (it) => html`<span title=${it.where}>${it.where}</span>` },
    { key: "field", title: "Field", cell: (it) => it.field },
    { key: "stored", title: "Stored", right: true, cell: (it) => String(it.stored ?? "–") },
    { key: "expected", title: "Expected", right: true, cell: (it) => String(it.expected ?? "–") },
  ]} />
  ${all > SHOWN && html`<p class="after muted">The first ${SHOWN} of ${count(all)}; <code>rollbook verify</code> tells all.</p>`}`;
