// What stands above every page: where one may go, the range of time, whether one sees what is, and the way out.

import { html } from "../html.js";
import { range, route, setRange, withRange, RANGES } from "../state.js";
import { state, cutSince } from "../live.js";
import { now } from "../clock.js";
import { me } from "../people.js";
import { roughly, rangeName } from "../format.js";
import { Menu } from "./menu.js";
import { Icon } from "./icon.js";

const PLACES = [["fleet", "/", "Fleet"], ["sessions", "/sessions", "Sessions"], ["compare", "/compare", "Compare"], ["settings", "/settings", "Settings"]];
const RANGED = new Set(["fleet", "sessions"]);

export function Header() {
  const here = route.value.name;
  return html`
    <header class="top">
      <a class="brand" href=${withRange("/")} aria-label="Rollbook: the fleet"><${Icon} name="brand" /><span>Rollbook</span></a>
      <nav class="places" aria-label="Pages">
        ${PLACES.map(([name, path, title]) => html`
          <a key=${name} href=${RANGED.has(name) ? withRange(path) : path}
            aria-current=${here === name || (here === "session" && name === "sessions") ? "page" : null}>${title}</a>`)}
      </nav>
      <div class="tools">
        ${RANGED.has(here) && html`<${RangePicker} />`}
        <${Live} />
        <${Account} />
      </div>
    </header>`;
}

function RangePicker() {
  const { since, until } = range.value;
  const own = Boolean(until) || !RANGES.includes(since);
  return html`
    <div class="segments" role="group" aria-label="Range of time">
      ${RANGES.map((name) => html`
        <button key=${name} type="button" aria-pressed=${String(!own && since === name)} onClick=${() => setRange(name)}
          title=${rangeName({ since: name })}>${name === "all" ? "All" : name}</button>`)}
      <${Menu} label=${html`<span class="clip">${own ? rangeName(range.value).replace("the last ", "") : "Own"}</span>`} pressed=${own} title="A range of one's own" align="end">
        ${(close) => html`<${OwnRange} close=${close} />`}
      <//>
    </div>`;
}

// Two forms: Enter in either shows what is written there.
function OwnRange({ close }) {
  const { since, until } = range.value;
  const [, amount, unit] = /^(\d+)([hd])$/.exec(since) ?? [null, "90", "d"];
  const at = (text) => (/^\d{4}-/.test(text) ? ofCalendar(new Date(text)) : "");
  const shown = (read) => (event) => {
    event.preventDefault();
    setRange(...read(new FormData(event.target)));
    close();
  };
  return html`
    <div class="own-range">
      <form onSubmit=${shown((said) => [said.get("amount") + said.get("unit")])}>
        <fieldset>
          <legend>The last</legend>
          <div class="row">
            <input name="amount" type="number" min="1" max="99999" required value=${amount} aria-label="How many" />
            <select name="unit" aria-label="Of what"><option value="d" selected=${unit === "d"}>days</option><option value="h" selected=${unit === "h"}>hours</option></select>
            <button class="button">Show</button>
          </div>
        </fieldset>
      </form>
      <form onSubmit=${shown(between)}>
        <fieldset>
          <legend>From, and until (or now)</legend>
          <input name="from" type="datetime-local" min="1970-01-02T00:00" max="9999-12-30T00:00" required value=${at(since)} aria-label="Since when" />
          <div class="row">
            <input name="until" type="datetime-local" min="1970-01-02T00:00" max="9999-12-30T00:00" value=${at(until)} aria-label="Until when; now, if empty" />
            <button class="button">Show</button>
          </div>
        </fieldset>
      </form>
    </div>`;
}

// What is written the wrong way round is turned.
function between(said) {
  const ends = [said.get("from"), said.get("until")].filter(Boolean).map((text) => new Date(text).toISOString());
  return [...new Set(ends)].sort(); // (nothing is between a moment and itself)
}

// A moment as the viewer's calendar and clock have it, without its zone: "2026-11-21T17:04".
const ofCalendar = (at) => new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);

const SAYS = {
  live: ["Live", "Changes are shown as they happen."],
  connecting: ["Connecting", "Listening for changes begins."],
  hidden: ["Paused", "Nothing is asked for while this tab is hidden."],
};

function Live() {
  const off = state.value === "off";
  const [text, title] = off
    ? [`Cut off${cutSince.value ? ` ${roughly((now.value - cutSince.value) / 1000)}` : ""}`, "The server tells of no changes; trying again."]
    : SAYS[state.value];
  return html`<span class=${`live live-${state.value}`} title=${title}><i aria-hidden="true"></i>
    <span role="status">${off ? html`<span class="unseen">Cut off: changes are not shown</span><span aria-hidden="true">${text}</span>` : text}</span></span>`;
}

function Account() {
  const { user_name: name, user_id: id, role } = me.value;
  return html`
    <form class="account" method="post" action="/signout">
      <span class="who" title=${`Signed in as ${name ?? id} (${role})`}>${name ?? "local user"}</span>
      <button class="quiet">Sign out</button>
    </form>`;
}
