// One session in full: what it is, what it cost, and all that was said and done in it.

import { html, useEffect, useMemo, useRef, useSignal, useState } from "../html.js";
import { route } from "../state.js";
import { about, useAnswer } from "../asking.js";
import { sessionPath } from "../api.js";
import { Icon } from "../ui/icon.js";
import { Failure, Loading } from "../ui/states.js";
import { titleOf } from "../ui/session.js";
import { mayChange } from "../session/actions.js";
import { Calls, callsOf } from "../session/calls.js";
import { useEntries } from "../session/entries.js";
import { Head } from "../session/head.js";
import { merged, ms, placeAt, withCosts } from "../session/items.js";
import { Kept } from "../session/kept.js";
import { oneLine } from "../text.js";
import { KeysHelp, Timeline } from "../session/timeline.js";
import { Tree } from "../session/tree.js";

const CALLS = 5000; // that are drawn
const SELDOM_MS = 2000;
const CALL_MS = 4; // for each call that is told: all of them are told each time
const NONE = [];
const BEGINS = new Set(["life", "facts"]); // by which another session may become a sub-agent of this one

const onlyMetered = (changes) => changes !== null && changes.every((each) => each.kinds.every((kind) => kind === "usage"));

export default function Session() {
  const { user, session_id: id } = route.value.params;
  return html`<${One} key=${`${user} ${id}`} user=${user} id=${id} />`;
}

function One({ user, id }) {
  const live = about(user, id);
  const whose = { user_id: user };
  const session = useAnswer("/api/v1/session", { session_id: id, ...whose }, { live, every: 400 });
  const entries = useEntries(user, id);
  const there = session.data !== null;
  const usage = useAnswer(there ? sessionPath(id, "/usage") : null, { ...whose, limit: CALLS }, { live, every: (data) => SELDOM_MS + CALL_MS * (data?.usage.length ?? 0) });
  const family = useRef(new Set());
  const kin = (changes) => changes === null || changes.some((each) => family.current.has(`${each.user_id} ${each.session_id}`) || each.kinds.some((kind) => BEGINS.has(kind)));
  const tree = useAnswer(there ? sessionPath(id, "/tree") : null, whose, { live: kin, every: SELDOM_MS });
  family.current = useMemo(() => new Set(tree.data?.branches.map((branch) => `${branch.user_id} ${branch.session_id}`)), [tree.data]);
  const begins = there && tree.data?.branches.length > 1;
  const children = useAnswer(begins ? sessionPath(id, "/children") : null, whose, { live: kin, every: SELDOM_MS });
  const state = useAnswer(there ? sessionPath(id, "/state") : null, whose, { live: (changes) => live(changes) && !onlyMetered(changes), every: SELDOM_MS });
  const answered = [usage, tree, ...(begins ? [children] : [])].every((asked) => asked.data || asked.error);
  const title = session.data ? oneLine(session.data.title || session.data.label || titleOf(session.data), 80) : "Session";
  useEffect(() => { document.title = `${title} · Rollbook`; }, [title]);

  if (session.error?.missing) return html`<${Gone} error=${session.error} was=${session.data} id=${id} />`;
  if (!there) return session.error ? html`<h1 class="unseen">Session</h1><${Failure} error=${session.error} what="This session cannot be shown." again=${session.again} />` : html`<h1 class="unseen">Session</h1><${Loading} rows=${12} name="The session is on its way." />`;
  return html`<${Whole} session=${session.data} failed=${session.error} again=${session.again} entries=${entries} usage=${usage.data} beside=${[usage, tree, children, state]} complete=${entries.whole && answered}
    tree=${tree.data?.branches} begun=${children.data?.sessions} values=${state.data?.values} />`;
}

function Whole({ session, failed, again, entries, usage, beside, complete, tree, begun, values }) {
  const writes = mayChange(session.user_id);
  const calls = useMemo(() => callsOf(usage?.usage ?? NONE), [usage]);
  const ended = session.ended_at ? `${session.ended_at} ${session.effective_status} ${session.end_reason}` : "";
  const items = useMemo(() => merged(entries.items, begun ?? NONE, calls, entries.whole ? session : null), [entries.items, begun, calls, entries.whole, ended]);
  const spent = useMemo(() => (entries.whole ? withCosts(items, calls) : new Map()), [items, calls]);
  const control = useRef(null);
  const { user_id, session_id } = session;
  const of = useMemo(() => ({ user_id, session_id, writes, spent, change: entries.change }), [writes, spent]);
  const anything = calls.length || tree?.length > 1 || session.goal_text || [values, session.metadata].some((kept) => Object.keys(kept ?? {}).length);
  const sight = useSignal(null);
  const [besides, setBesides] = useState(false); // where there is no room beside it
  const onSight = (first, last) => {
    if (first && last) sight.value = [first.start, last.at];
  };
  const onCall = (call) => {
    const place = placeAt(items, ms(calls[call].occurred_at));
    if (place >= 0) control.current?.go(items[place].key);
  };
  const broken = beside.find((asked) => asked.error);
  return html`
    <div class="session">
      ${failed && html`<${Failure} error=${failed} what="What is shown may be old." again=${again} />`}
      <${Head} session=${session} tree=${tree} writes=${writes} />
      ${broken && html`<${Failure} error=${broken.error} what="Not all of it can be shown." again=${broken.again} />`}
      <div class="session-parts">
        <${Timeline} entries=${entries} items=${items} complete=${complete} of=${of} control=${control} onSight=${onSight} />
        <aside class=${`beside ${besides ? "beside-open" : ""}`} aria-label="About this session">
          ${anything && html`<button type="button" class="button beside-more" aria-expanded=${String(besides)} onClick=${() => setBesides(!besides)}>Calls, sub-agents and state <${Icon} name=${besides ? "up" : "down"} /></button>`}
          <${Calls} calls=${calls} more=${usage?.has_more} onCall=${onCall} sight=${sight} />
          ${tree && html`<${Tree} branches=${tree} />`}
          <${Kept} values=${values} session=${session} />
          <${KeysHelp} />
        </aside>
      </div>
    </div>`;
}

function Gone({ error, was, id }) {
  const title = was || error.status === 410 ? "This session was deleted." : "There is no such session, or you may not see it.";
  return html`
    <h1>${title}</h1>
    <div class="no-session"><p class="mono">${oneLine(id, 300)}</p>
      <p>${was || error.status === 410 ? "What was said and done in it is gone; what it cost stays in the figures of spend." : "It may have been deleted, or belong to somebody whose sessions your key does not show."}</p>
      <p><a class="link" href="/sessions">All sessions</a></p></div>`;
}
