-- The same in PostgreSQL.
create table session_records (
  session_id varchar not null,
  user_id uuid not null,
  dataset_id uuid,
  status varchar not null,
  started_at timestamptz not null,
  last_activity_at timestamptz not null,
  ended_at timestamptz,
  tokens_in integer not null,
  tokens_out integer not null,
  cost_usd double precision not null,
  error_count integer not null,
  last_model text,
  primary key (session_id, user_id)
);
create table session_model_usage (
  session_id varchar not null,
  user_id uuid not null,
  model text not null,
  tokens_in integer not null,
  tokens_out integer not null,
  cost_usd double precision not null,
  updated_at timestamptz not null,
  primary key (session_id, user_id, model)
);
create table cache_qa_entries (
  seq bigserial primary key,
  user_id text not null,
  session_id text not null,
  qa_id text not null,
  payload jsonb not null,
  created_at timestamptz default now() not null,
  expires_at timestamptz,
  constraint uq_cache_qa_entry unique (user_id, session_id, qa_id)
);
create table cache_trace_entries (
  seq bigserial primary key,
  user_id text not null,
  session_id text not null,
  payload jsonb not null,
  created_at timestamptz default now() not null,
  expires_at timestamptz
);
create table cache_session_context (
  seq bigserial primary key,
  user_id text not null,
  session_id text not null,
  entry_id text not null,
  payload jsonb not null,
  created_at timestamptz default now() not null,
  expires_at timestamptz
);
