// Names to complete and to choose from: those of agents, models and users that the book knows, and what the rows hold.

import { useMemo, useRef, useState } from "../html.js";
import { get } from "../api.js";
import { learn } from "../people.js";

const LIST = "/api/v1/sessions";
const LOOKED_AT = 500; // rows in which datasets, projects and tags are looked for

// [names by field, near]: near() fetches them, once for each range.
export function useNames(rows, since) {
  const [known, setKnown] = useState({});
  const asked = useRef(null);
  const near = () => {
    if (asked.current === since) return;
    asked.current = since;
    fetched(since).then(setKnown, () => { asked.current = null; });
  };
  const loaded = rows.pages.size;
  const seen = useMemo(() => inRows(rows), [rows, loaded]);
  return [{ ...seen, ...known }, near];
}

async function fetched(since) {
  const [agents, models] = await Promise.all([get(`${LIST}/cost-by-user-agent`, { since }), get(`${LIST}/cost-by-model`, { since })]);
  learn(agents);
  return {
    agent: distinct(agents.map((line) => (line.agent === "unknown" ? null : line.agent))),
    user: distinct(agents.map((line) => line.user_name ?? line.user_id)),
    model: distinct(models.map((line) => line.model)),
  };
}

function inRows(rows) {
  const found = [...rows.pages.values()].flat().slice(0, LOOKED_AT);
  return {
    dataset: distinct(found.map((session) => session.dataset_id)),
    project: distinct(found.map((session) => session.project)),
    tag: distinct(found.flatMap((session) => session.tags)),
  };
}

const distinct = (names) => [...new Set(names.filter(Boolean))].sort((left, right) => left.localeCompare(right));
