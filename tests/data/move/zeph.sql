-- The tables of zeph that are read, as its migrations make them in SQLite.
create table agent_sessions (
  id text primary key,
  kind text not null default 'interactive',
  status text not null default 'active',
  channel text not null default 'cli',
  model text not null default '',
  created_at text not null default (datetime('now')),
  last_active_at text not null default (datetime('now')),
  turns integer not null default 0,
  prompt_tokens integer not null default 0,
  completion_tokens integer not null default 0,
  reasoning_tokens integer not null default 0,
  cost_cents real not null default 0.0,
  goal_text text
);
create index idx_agent_sessions_status on agent_sessions (status);
create index idx_agent_sessions_last_active on agent_sessions (last_active_at);
