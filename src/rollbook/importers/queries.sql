-- The statements by which an agent's own database is read. Each is short and ends its transaction: the agent is writing
-- meanwhile. Words in braces are names of tables and columns that the database was seen to have. Text is taken as bytes,
-- since nothing makes a damaged database hold text that is one.

-- oc_tables --
-- What the database holds.
select name from sqlite_schema where type = 'table';

-- oc_columns --
-- The columns of one table.
select name from pragma_table_info(:table_name);

-- oc_stamps --
-- When the next rows of a table were written last, in the order of their making.
select rowid, time_updated from {table} where rowid > :after order by rowid limit 1000;

-- oc_latest --
-- When one of the newest rows of a table was written last; times ahead of the clock say nothing of when.
select max(time_updated) from (select time_updated from {table} order by rowid desc limit 200)
where typeof(time_updated) = 'integer' and time_updated <= :now;

-- oc_first --
-- The oldest row and one other: while both are as they were, it is the same table.
select rowid, cast(id as blob) from {table} where rowid = :seen
union all
select rowid, cast(id as blob) from (select rowid, id from {table} order by rowid limit 1);

-- oc_message --
-- One message.
select cast(id as blob), cast(session_id as blob), {type}, time_created,
  case when octet_length(data) <= :most then cast(data as blob) end
from {table} where rowid = :row;

-- oc_twin --
-- Whether a message of version 2 was taken over from version 1, which says more of it.
select 1 from message where id = :id;

-- oc_session_id --
-- Whose row it is.
select cast(id as blob) from {table} where rowid = :row;

-- oc_session --
-- What is known of a session.
select cast(parent_id as blob), cast(directory as blob), cast(title as blob), cast(version as blob), time_created,
  time_updated, {time_archived}, cast({agent} as blob), cast({permission} as blob), cast({fork_session_id} as blob)
from {table} where id = :id;

-- oc_tail_v1 --
-- The last messages of a session.
select cast(id as blob), null, time_created, case when octet_length(data) <= :most then cast(data as blob) end
from message where session_id = :id order by time_created desc, id desc limit 12 offset :skip;

-- oc_tail_v2 --
-- The last messages of a session.
select cast(id as blob), type, time_created, case when octet_length(data) <= :most then cast(data as blob) end
from session_message where session_id = :id order by seq desc limit 12 offset :skip;

-- oc_turns_v1 --
-- How often the user asked for something.
select count(*) from message
where session_id = :id and time_created >= :since
  and case when json_valid(data) then json_extract(data, '$.role') end = 'user';

-- oc_turns_v2 --
-- How often the user asked for something.
select count(*) from session_message where session_id = :id and type = 'user' and time_created >= :since;

-- oc_turns_v2_only --
-- The same, where messages of version 1 are beside it.
select count(*) from session_message as new
where new.session_id = :id and new.type = 'user' and new.time_created >= :since
  and not exists (select 1 from message as old where old.id = new.id);

-- oc_copies --
-- The newest messages that a session had before it was made: so it is a fork, and they are copies.
select distinct time_created from {messages}
where session_id = :id and time_created < :since order by time_created desc limit 8;

-- oc_original_v1 --
-- The message of that time in a session.
select cast(id as blob) from message
where session_id = :id and time_created = :at
  and case when json_valid(data) then json_extract(data, '$.role') end = 'assistant'
order by id limit 1;

-- oc_original_v2 --
-- The message of that time in a session.
select cast(id as blob) from session_message
where session_id = :id and time_created = :at and type = 'assistant' order by id limit 1;

-- oc_owner --
-- The session in which a copied message was written first.
select cast(s.id as blob), s.time_created from {sessions} as s
where s.time_created <= :at and s.id <> :id
  and exists (select 1 from {messages} as m where m.session_id = s.id and m.time_created = :at)
order by s.time_created, s.id limit 1;

-- oc_active --
-- The sessions of which something was written since a time.
select cast(session_id as blob) from {messages} where time_updated >= :since
union
select cast(id as blob) from {sessions} where time_updated >= :since;

-- oc_heads --
-- How the first parts of a message begin.
select substr(cast(data as blob), 1, 512) from part where message_id = :id and octet_length(data) < 65536
order by id limit 16;

-- oc_parts --
-- The parts of a message, whatever their size.
select cast(data as blob) from part where message_id = :id and octet_length(data) <= :most order by id;

-- oc_steps --
-- The small parts of a message, among which are those that end a step.
select cast(data as blob) from part where message_id = :id and octet_length(data) < 8192 order by id;

-- What follows is read by other movers: from databases of other systems, each row once. {row} and {step} go through a
-- table in the order of its making; {text} keeps damaged cells apart from whole ones.

-- pg_tables --
-- What the database holds, as far as it is found without naming a schema.
select cast(table_name as text) from information_schema.tables where table_schema = any (current_schemas(false));

-- pg_settings --
-- Times and numbers as text are to look the same whatever the server's settings are.
select set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO, YMD', false),
  set_config('extra_float_digits', '1', false);

-- pg_columns --
-- The columns of one table.
select cast(column_name as text) from information_schema.columns
where table_schema = any (current_schemas(false)) and table_name = :table_name;

-- cognee_sessions --
-- Sessions, each with what it used of every model, so that both are of one moment.
select s.place, cast(s.session_id as {text}), cast(s.user_id as {text}), cast(s.dataset_id as {text}),
  cast(s.status as {text}), cast(s.started_at as {text}), cast(s.last_activity_at as {text}),
  cast(s.ended_at as {text}), cast(s.tokens_in as {text}), cast(s.tokens_out as {text}), cast(s.cost_usd as {text}),
  cast(s.error_count as {text}), cast(s.last_model as {text}), cast(m.model as {text}), cast(m.tokens_in as {text}),
  cast(m.tokens_out as {text}), cast(m.cost_usd as {text}), cast(m.updated_at as {text})
from (
  select {row} as place, session_id, user_id, dataset_id, status, started_at, last_activity_at, ended_at, tokens_in,
    tokens_out, cost_usd, error_count, last_model
  from session_records where {step}
) as s
left join {usage} as m on m.session_id = s.session_id and m.user_id = s.user_id
order by s.place, s.session_id, s.user_id, m.model;

-- cognee_no_usage --
-- In the place of a table that is not there.
(select session_id, user_id, '' as model, 0 as tokens_in, 0 as tokens_out, 0 as cost_usd, '' as updated_at
 from session_records where 1 = 0);

-- cognee_strays --
-- What was used by sessions that have no record.
select {row}, cast(session_id as {text}), cast(user_id as {text}), cast(model as {text}), cast(tokens_in as {text}),
  cast(tokens_out as {text}), cast(cost_usd as {text}), cast(updated_at as {text})
from session_model_usage as m
where not exists (select 1 from {records} as s where s.session_id = m.session_id and s.user_id = m.user_id)
  and {step};

-- cognee_no_records --
-- In the place of a table that is not there.
(select session_id, user_id from session_model_usage where 1 = 0);

-- cognee_qas --
-- Questions and answers, feedback among them; a body that is too large is left out.
select {row}, cast(user_id as {text}), cast(session_id as {text}), cast(qa_id as {text}), cast(created_at as {text}),
  cast(expires_at as {text}),
  case when octet_length(cast(payload as {text})) <= :most then cast(payload as {text}) end
from cache_qa_entries where {step};

-- cognee_steps --
-- Steps of traces.
select {row}, cast(user_id as {text}), cast(session_id as {text}), cast(seq as {text}), cast(created_at as {text}),
  cast(expires_at as {text}),
  case when octet_length(cast(payload as {text})) <= :most then cast(payload as {text}) end
from cache_trace_entries where {step};

-- cognee_lessons --
-- Entries of the stream context.
select {row}, cast(user_id as {text}), cast(session_id as {text}), cast(entry_id as {text}), cast(created_at as {text}),
  cast(expires_at as {text}),
  case when octet_length(cast(payload as {text})) <= :most then cast(payload as {text}) end
from cache_session_context where {step};

-- cognee_rs_qas --
-- Questions and answers of the Rust edition.
select {row}, cast(user_id as {text}), cast(session_id as {text}), cast(id as {text}), cast(created_at as {text}),
  case when octet_length(question) + octet_length(answer) + octet_length(coalesce(context, '')) <= :most
    then cast(question as {text}) end,
  cast(answer as {text}), cast(context as {text}), cast(feedback_text as {text}), cast(feedback_score as {text}),
  cast(used_graph_element_ids as {text}), cast(memify_metadata as {text})
from session_qa_entries where {step};

-- cognee_rs_steps --
-- Steps of traces of the Rust edition.
select {row}, cast(user_id as {text}), cast(session_id as {text}), cast(trace_id as {text}), cast(created_at as {text}),
  cast(origin_function as {text}), cast(status as {text}), cast(memory_query as {text}),
  cast(memory_context as {text}),
  case when octet_length(method_params) + octet_length(coalesce(method_return_value, '')) <= :most
    then cast(method_params as {text}) end,
  cast(method_return_value as {text}), cast(error_message as {text}), cast(session_feedback as {text})
from session_trace_steps where {step};

-- cognee_rs_graphs --
-- Snapshots of graph knowledge of the Rust edition.
select {row}, cast(user_id as {text}), cast(session_id as {text}), cast(updated_at as {text}),
  case when octet_length(context) <= :most then cast(context as {text}) end
from session_graph_context where {step};

-- zeph_sessions --
-- The fleet's sessions.
select {row}, cast(id as {text}), cast(kind as {text}), cast(status as {text}), cast(channel as {text}),
  cast(model as {text}), cast(created_at as {text}), cast(last_active_at as {text}), cast(turns as {text}),
  cast(prompt_tokens as {text}), cast(completion_tokens as {text}), cast(reasoning_tokens as {text}),
  cast(cost_cents as {text}), cast(goal_text as {text})
from agent_sessions where {step};

-- zeph_ledger --
-- When the first call was written into the table of calls, and whether one before it is gone.
select id, cast(created_at as blob), id > 1 from usage_records where id > :after order by id limit 1;

-- zeph_calls --
-- Single calls, each with the conversation session that it belongs to.
select u.id, cast(u.id as {text}), cast(u.conversation_id as {text}), cast(a.id as {text}), cast(u.source as {text}),
  cast(u.provider_name as {text}), cast(u.model_name as {text}), cast(u.input_tokens as {text}),
  cast(u.output_tokens as {text}), cast(u.cache_read_tokens as {text}), cast(u.cache_write_tokens as {text}),
  cast(u.reasoning_tokens as {text}), cast(u.cost_cents as {text}), cast(u.created_at as {text})
from usage_records as u left join {links} as a on a.conversation_id = u.conversation_id
where u.id > :after order by u.id, a.id limit :most_rows;

-- zeph_no_links --
-- In the place of a table, or a column, that is not there.
(select null as id, null as conversation_id where 1 = 0);

-- claw_sessions --
-- Sessions.
select {row}, cast(id as {text}), cast(started_at as {text}), cast(ended_at as {text}) from sessions where {step};
