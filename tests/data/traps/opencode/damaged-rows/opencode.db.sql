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
  values ('ses_aaaa0001', 'global', null, 'quiet-fox', '/home/dev/shop', 'Mend the till', '1.15.10', 1772445600000, 1772445600000);
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_a1', 'ses_aaaa0001', 1772445601000, 1772445601000, '{"role":"user","time":{"created":1772445601000},"agent":"build","model":{"providerID":"anthropic","modelID":"claude-sonnet-4-5"}}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_a2', 'ses_aaaa0001', 1772445602000, 1772445604000, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0.01,"tokens":{"input":100,"output":10,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":1772445602000,"completed":1772445604000},"finish":"stop"}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_x01', 'ses_aaaa0001', 1772445603000, 1772445603000, 'not JSON');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_x02', 'ses_aaaa0001', 1772445603000, 1772445603000, '{"role":"assistant","tokens":{"inp');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_x03', 'ses_aaaa0001', 1772445603000, 1772445603000, '[1,2]');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_x04', 'ses_aaaa0001', 1772445603000, 1772445603000, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"input":-5,"output":10,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":1772445603000,"completed":1772445603000},"finish":"stop"}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_x05', 'ses_aaaa0001', 1772445603000, 1772445603000, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"input":1.5,"output":10,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":1772445603000,"completed":1772445603000},"finish":"stop"}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_x06', 'ses_aaaa0001', 1772445603000, 1772445603000, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"input":1000000000000000,"output":10,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":1772445603000,"completed":1772445603000},"finish":"stop"}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_x07', 'ses_aaaa0001', 1772445603000, 1772445603000, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":-1,"tokens":{"input":5,"output":10,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":1772445603000,"completed":1772445603000},"finish":"stop"}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_x08', 'ses_aaaa0001', 1772445603000, 1772445603000, '{"role":"assistant","time":{"created":-62135596800000},"tokens":{"input":1,"output":1,"reasoning":0,"cache":{"read":0,"write":0}}}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_x09', 'ses_aaaa0001', 1772445603000, 1772445603000, '{"role":"assistant","time":{"created":1000,"completed":2000},"tokens":{"input":1,"output":1,"reasoning":0,"cache":{"read":0,"write":0}}}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_x10', 'ses_aaaa0001', 'soon', 1772445603000, '{"role":"assistant","tokens":{"input":1,"output":1,"reasoning":0,"cache":{"read":0,"write":0}}}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_x11', 'ses_aaaa0001', 1772445603000, 1772445603000, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"input":5,"output":10,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":7,"providerID":"anthropic","time":{"created":1772445603000,"completed":1772445603000},"finish":"stop"}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_x12', 'ses_aaaa0001', 1772445603000, 1772445603000, cast(x'7b22ff' as text));
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_x13', 'ses_aaaa0001', 1772445603000, 1772445603000, '{"role":"narrator","time":{"created":1772445603000}}');
