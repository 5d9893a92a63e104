// What can be asked for, and the names that there are to choose from, as the server tells them.

import { useRef, useState } from "../html.js";
import { get } from "../api.js";

const OLD_MS = 60_000; // after which they are asked for anew

// What is often compared with; the server knows no values of numbers.
const EXAMPLES = {
  cost: [">0.1", ">1", ">5", ">20"], tokens_in: [">100k", ">1M"], tokens_out: [">10k", ">100k"], calls: [">10", ">100"], errors: [">0", ">5"],
  turns: [">5", ">20"], late: [">0"], attempt: [">1"], duration: [">10m", ">1h", ">8h"], started: [">1h", ">24h", ">7d"], active: [":1h", ":24h", ":7d"],
  ended: [">1h", ">24h", ">7d"], unpriced: ["yes", "no"],
};

// [fields by name: { name, says, kind, values, compares }, near]: near() fetches them where they are not known, or old.
export function useNames() {
  const [known, setKnown] = useState({});
  const asked = useRef(-Infinity);
  const near = () => {
    if (performance.now() - asked.current < OLD_MS) return;
    asked.current = performance.now();
    get("/api/v1/sessions/fields").then((answer) => setKnown(read(answer.fields ?? answer)), () => { asked.current = -Infinity; });
  };
  return [known, near];
}

function read(fields) {
  return Object.fromEntries(fields.map((field) => [field.name, {
    ...field, values: field.values.length ? field.values : EXAMPLES[field.name] ?? [], compares: !["word", "name", "yes"].includes(field.kind),
  }]));
}
