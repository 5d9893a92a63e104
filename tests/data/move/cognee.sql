-- The tables of cognee's sessions as its Python edition makes them in SQLite.
create table session_records (
  session_id varchar not null,
  user_id uuid not null,
  dataset_id uuid,
  status varchar not null,
  started_at datetime not null,
  last_activity_at datetime not null,
  ended_at datetime,
  tokens_in integer not null,
  tokens_out integer not null,
  cost_usd float not null,
  error_count integer not null,
  last_model text,
  primary key (session_id, user_id)
);
create index ix_session_records_last_activity_at on session_records (last_activity_at);
create table session_model_usage (
  session_id varchar not null,
  user_id uuid not null,
  model text not null,
  tokens_in integer not null,
  tokens_out integer not null,
  cost_usd float not null,
  updated_at datetime not null,
  primary key (session_id, user_id, model)
);
create table cache_qa_entries (
  seq integer not null primary key autoincrement,
  user_id text not null,
  session_id text not null,
  qa_id text not null,
  payload json not null,
  created_at datetime default current_timestamp not null,
  expires_at datetime,
  constraint uq_cache_qa_entry unique (user_id, session_id, qa_id)
);
create table cache_trace_entries (
  seq integer not null primary key autoincrement,
  user_id text not null,
  session_id text not null,
  payload json not null,
  created_at datetime default current_timestamp not null,
  expires_at datetime
);
create table cache_session_context (
  seq integer not null primary key autoincrement,
  user_id text not null,
  session_id text not null,
  entry_id text not null,
  payload json not null,
  created_at datetime default current_timestamp not null,
  expires_at datetime
);
create table cache_usage_logs (
  seq integer not null primary key autoincrement,
  log_key text not null,
  user_id text not null,
  payload json not null,
  created_at datetime default current_timestamp not null,
  expires_at datetime
);
create table cache_kv (key text not null primary key, value text not null, expires_at datetime);
