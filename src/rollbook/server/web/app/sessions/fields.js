// What sessions can be asked for, in the words of rollbook/rules/query.py.

export const STATUSES = ["running", "completed", "failed", "abandoned", "cancelled", "unknown"];
export const KINDS = ["interactive", "autonomous", "acp"];
export const CHANNELS = ["cli", "tui", "telegram", "discord", "slack", "acp", "web", "api", "ide", "other"];

// kind: word | name | count | money | span | time | yes; begin: what is written when it is chosen.
export const FIELDS = {
  status: { says: "its state now", kind: "word", words: STATUSES },
  agent: { says: "the agent", kind: "name" },
  model: { says: "a model that it used", kind: "name" },
  user: { says: "whose it is", kind: "name" },
  kind: { says: "how it is driven", kind: "word", words: KINDS },
  channel: { says: "where it is held", kind: "word", words: CHANNELS },
  project: { says: "the folder or project", kind: "name" },
  dataset: { says: "the dataset", kind: "name" },
  tag: { says: "a tag that it has", kind: "name" },
  id: { says: "its id", kind: "name" },
  title: { says: "its title", kind: "name" },
  parent: { says: "the session above it", kind: "name" },
  cost: { says: "dollars", kind: "money", begin: "cost>", words: [">0.1", ">1", ">5", ">20"] },
  tokens_in: { says: "tokens read", kind: "count", begin: "tokens_in>", words: [">100k", ">1M"] },
  tokens_out: { says: "tokens written", kind: "count", begin: "tokens_out>", words: [">10k", ">100k"] },
  calls: { says: "calls of models", kind: "count", begin: "calls>", words: [">10", ">100"] },
  errors: { says: "calls and steps that failed", kind: "count", begin: "errors>", words: [">0", ">5"] },
  turns: { says: "turns of whoever it talks to", kind: "count", begin: "turns>", words: [">5", ">20"] },
  late: { says: "calls after its end", kind: "count", begin: "late>", words: [">0"] },
  attempt: { says: "how often it was begun", kind: "count", begin: "attempt>", words: [">1"] },
  duration: { says: "agent time", kind: "span", begin: "duration>", words: [">10m", ">1h", ">8h"] },
  unpriced: { says: "whether calls are without a price", kind: "yes", words: ["yes", "no"] },
  started: { says: "when it began", kind: "time", words: [">1h", ">24h", ">7d"] },
  active: { says: "when it was last active", kind: "time", words: [":1h", ":24h", ":7d"] },
  ended: { says: "when it ended", kind: "time", words: [">1h", ">24h", ">7d"] },
};
