// What is compared: of each session its record, what is below it, its calls by model, its steps by tool.

import { get, sessionPath, Failed } from "../api.js";

const CALLS = 5000; // ledger rows of a session that are looked at, the oldest
const STEPS = 2000; // steps, the newest
export const MOST = 8; // sessions side by side

// Sessions as the address names them: "USER/SESSION", where ids of sessions may hold slashes.
export function named(query) {
  const found = [];
  for (const text of query.getAll("s")) {
    const cut = text.indexOf("/");
    if (cut > 0 && cut < text.length - 1 && !found.some((each) => each.name === text)) {
      found.push({ name: text, user: text.slice(0, cut), id: text.slice(cut + 1) });
    }
  }
  return found;
}

export const nameOf = (session) => `${session.user_id}/${session.session_id}`;

// One after the other in the order in which they are named; one that cannot be shown hides none of the others.
export const loadAll = (_path, { names }, { signal }) =>
  Promise.all(names.map((each) => load(each, signal).catch((error) => {
    if (!(error instanceof Failed)) throw error;
    return { ...each, error };
  })));

async function load({ name, user, id }, signal) {
  const whose = { user_id: user };
  const session = await get(sessionPath(id), whose, { signal }); // where it is not there nothing else is asked for
  const [below, usage, trace] = await Promise.all([
    get(sessionPath(id, "/inclusive"), whose, { signal }),
    get(sessionPath(id, "/usage"), { ...whose, limit: CALLS }, { signal }),
    get(sessionPath(id, "/trace"), { ...whose, last_n: STEPS }, { signal }).catch(unreadable),
  ]);
  return {
    name, user, id, session, below, error: null,
    models: byModel(usage.usage),
    callsLeftOut: usage.has_more ? CALLS : 0,
    tools: trace && byTool(trace.steps),
    stepsLeftOut: trace ? Math.max(0, session.tool_calls - trace.steps.length) : 0,
  };
}

// A journal that cannot be read hides nothing of the record.
function unreadable(error) {
  if (error instanceof Failed && !error.unreachable) return null;
  throw error;
}

// Corrections take back what they correct, so everything adds up as in the book.
function byModel(rows) {
  const found = new Map();
  for (const row of rows) {
    const name = row.model ?? "unknown";
    const sum = found.get(name) ?? { calls: 0, unpriced_calls: 0, cost_nano_usd: 0, tokens: 0 };
    sum.calls += row.calls;
    sum.cost_nano_usd += row.cost_nano_usd ?? 0;
    sum.tokens += row.tokens_in + row.tokens_out;
    if (row.cost_source === "unpriced") sum.unpriced_calls += row.calls;
    found.set(name, sum);
  }
  return found;
}

function byTool(steps) {
  const found = new Map();
  for (const step of steps) {
    const name = step.tool_name || step.origin_function || "unknown";
    const sum = found.get(name) ?? { count: 0, failed: 0 };
    sum.count += 1;
    if (step.status === "error" || step.error) sum.failed += 1;
    found.set(name, sum);
  }
  return found;
}
