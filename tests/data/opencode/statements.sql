-- What the tests of OpenCode's importer write into databases, as OpenCode does.

-- version_1 --
create table session (
  id text primary key, project_id text not null, parent_id text, slug text not null, directory text not null,
  title text not null, version text not null, permission text, time_created integer not null,
  time_updated integer not null, time_compacting integer, time_archived integer, agent text, model text
);
create table message (
  id text primary key, session_id text not null references session (id) on delete cascade,
  time_created integer not null, time_updated integer not null, data text not null
);
create index message_session_time_created_id_idx on message (session_id, time_created, id);
create table part (
  id text primary key, message_id text not null references message (id) on delete cascade, session_id text not null,
  time_created integer not null, time_updated integer not null, data text not null
);
create index part_message_id_id_idx on part (message_id, id);
-- Version 1 has a table of this name too, in which it keeps something else.
create table session_message (
  id text primary key, session_id text not null, type text not null, seq integer not null,
  time_created integer not null, time_updated integer not null, data text not null
);

-- oldest --
create table session (
  id text primary key, project_id text not null, parent_id text, slug text not null, directory text not null,
  title text not null, version text not null, time_created integer not null, time_updated integer not null
);
create table message (
  id text primary key, session_id text not null, time_created integer not null, time_updated integer not null,
  data text not null
);

-- too_old --
create table session (id text primary key, info text not null);
create table message (id text primary key, info text not null);

-- foreign --
create table session (id text primary key);
create table invoice (id text primary key);

-- add_session --
insert into session (id, project_id, parent_id, slug, directory, title, version, time_created, time_updated)
values (:id, 'global', :parent, 'quiet-fox', '/home/dev/shop', :title, '1.15.10', :made, :changed);

-- add_message --
insert into message (id, session_id, time_created, time_updated, data) values (:id, :session, :made, :written, :data)
on conflict (id) do update set time_updated = excluded.time_updated, data = excluded.data;

-- add_part --
insert into part (id, message_id, session_id, time_created, time_updated, data)
values (:id, :message, :session, 1772445601000, 1772445601000, :data);

-- add_other --
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
values (:id, :session, 'assistant', 1, :made, :written, :data);

-- rename --
update session set title = :title, time_updated = :changed where id = :id;

-- drop_messages --
delete from message where id >= :from;

-- exclusive --
begin exclusive;

-- commit --
commit;
