-- The tables of cognee's sessions as its Rust edition makes them in SQLite.
create table session_records (
  session_id text not null,
  user_id text not null,
  dataset_id text,
  status text not null default 'running',
  started_at timestamp_with_timezone_text not null,
  last_activity_at timestamp_with_timezone_text not null,
  ended_at timestamp_with_timezone_text,
  tokens_in integer not null default 0,
  tokens_out integer not null default 0,
  cost_usd double not null default 0,
  error_count integer not null default 0,
  last_model text,
  primary key (session_id, user_id)
);
create table session_model_usage (
  session_id text not null,
  user_id text not null,
  model text not null,
  tokens_in integer not null default 0,
  tokens_out integer not null default 0,
  cost_usd double not null default 0,
  updated_at timestamp_with_timezone_text not null,
  primary key (session_id, user_id, model)
);
create table session_qa_entries (
  id text not null primary key,
  session_id text not null,
  user_id text,
  question text not null,
  answer text not null,
  context text,
  created_at timestamp_with_timezone_text not null,
  feedback_text text,
  feedback_score integer,
  used_graph_element_ids text,
  memify_metadata text
);
create table session_graph_context (
  id text not null primary key,
  session_id text not null,
  user_id text,
  context text not null,
  updated_at timestamp_with_timezone_text not null
);
create table session_trace_steps (
  trace_id text not null primary key,
  user_id text not null,
  session_id text not null,
  seq bigint not null,
  created_at timestamp_with_timezone_text not null,
  origin_function text not null,
  status text not null,
  memory_query text not null,
  memory_context text not null,
  method_params text not null,
  method_return_value text,
  error_message text not null,
  session_feedback text not null
);
