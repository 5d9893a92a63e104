begin;
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
commit;
insert into session (id, project_id, parent_id, slug, directory, title, version, time_created, time_updated)
  values ('ses_aaaa0001', 'global', null, 'quiet-fox', '/home/dev/shop', 'Mend the till and the scales', '1.15.10', 1772445600000, 1772445624000);
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_a1', 'ses_aaaa0001', 1772445601000, 1772445601000, '{"role":"user","time":{"created":1772445601000},"agent":"build","model":{"providerID":"anthropic","modelID":"claude-sonnet-4-5"}}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_a2', 'ses_aaaa0001', 1772445602000, 1772445604000, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0.01,"tokens":{"input":100,"output":10,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":1772445602000,"completed":1772445604000},"finish":"stop"}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_a3', 'ses_aaaa0001', 1772445621000, 1772445621000, '{"role":"user","time":{"created":1772445621000},"agent":"build","model":{"providerID":"anthropic","modelID":"claude-sonnet-4-5"}}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_a4', 'ses_aaaa0001', 1772445622000, 1772445624000, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0.02,"tokens":{"input":200,"output":20,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":1772445622000,"completed":1772445624000},"finish":"stop"}');
