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
