-- What later migrations of zeph add.
create table acp_sessions (
  id text primary key,
  created_at text not null default (datetime('now')),
  updated_at text not null default (datetime('now')),
  conversation_id integer
);
create table usage_records (
  id integer primary key autoincrement,
  message_id integer,
  conversation_id integer,
  source text not null,
  provider_name text not null,
  model_name text not null,
  input_tokens integer not null default 0,
  output_tokens integer not null default 0,
  cache_read_tokens integer not null default 0,
  cache_write_tokens integer not null default 0,
  reasoning_tokens integer,
  cost_cents real not null default 0,
  latency_ms integer not null default 0,
  ttft_ms integer,
  tokens_per_sec real,
  created_at text not null default (datetime('now'))
);
create unique index uq_usage_records_message on usage_records (message_id) where message_id is not null;
