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
  values ('ses_aaaa0001', 'global', null, 'quiet-fox', '/home/dev/shop', 'Mend the till', '0.5.29', 1772445600000, 1772445600000);
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_a1', 'ses_aaaa0001', 1772445601000, 1772445601000, '{"role":"user","time":{"created":1772445601000},"agent":"build","model":{"providerID":"anthropic","modelID":"claude-sonnet-4-5"}}');
insert into part (id, message_id, session_id, time_created, time_updated, data)
  values ('prt_01', 'msg_a2', 'ses_aaaa0001', 1772445603000, 1772445603000, '{"type":"step-finish","tokens":{"input":1000,"output":100,"reasoning":0,"cache":{"read":0,"write":0}},"cost":0.1}');
insert into part (id, message_id, session_id, time_created, time_updated, data)
  values ('prt_02', 'msg_a2', 'ses_aaaa0001', 1772445604000, 1772445604000, '{"type":"step-finish","tokens":{"input":2000,"output":200,"reasoning":0,"cache":{"read":0,"write":0}},"cost":0.2}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_a2', 'ses_aaaa0001', 1772445602000, 1772445604000, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0.3,"tokens":{"input":2000,"output":200,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":1772445602000,"completed":1772445604000}}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_a3', 'ses_aaaa0001', 1772445605000, 1772445606000, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0.04,"tokens":{"input":400,"output":85,"reasoning":80,"cache":{"read":0,"write":0}},"modelID":"gpt-5","providerID":"openai","time":{"created":1772445605000,"completed":1772445606000},"finish":"tool-calls"}');
begin;
create table session_v2 (
  id text primary key, project_id text not null, parent_id text, fork_session_id text, fork_boundary text,
  slug text not null, directory text not null, title text, version text not null, permission text, agent text,
  model text, time_created integer not null, time_updated integer not null, time_idle integer, idle_outcome text,
  time_archived integer
);
create table session_message (
  id text primary key, session_id text not null references session_v2 (id) on delete cascade, type text not null,
  seq integer not null, time_created integer not null, time_updated integer not null, data text not null
);
create unique index session_message_session_seq_idx on session_message (session_id, seq);
create index session_message_session_type_seq_idx on session_message (session_id, type, seq);
commit;
insert into session_v2 (id, project_id, parent_id, fork_session_id, slug, directory, title, version, time_created, time_updated)
  values ('ses_aaaa0001', 'global', null, null, 'quiet-fox', '/home/dev/shop', 'Mend the till', '0.5.29', 1772445600000, 1772445600000);
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_a1', 'ses_aaaa0001', 'user', 0, 1772445601000, 1772445601000, '{"time":{"created":1772445601000},"text":"Mend the till.","files":[]}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_a2', 'ses_aaaa0001', 'assistant', 1, 1772445602000, 1772445604000, '{"time":{"created":1772445602000,"completed":1772445604500},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"stop","cost":0.3,"tokens":{"input":2000,"output":200,"reasoning":0,"cache":{"read":0,"write":0}}}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_a3', 'ses_aaaa0001', 'assistant', 2, 1772445605000, 1772445606000, '{"time":{"created":1772445605000,"completed":1772445606500},"agent":"build","model":{"id":"gpt-5","providerID":"openai"},"content":[],"finish":"tool-calls","cost":0.04,"tokens":{"input":400,"output":85,"reasoning":80,"cache":{"read":0,"write":0}}}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_a4', 'ses_aaaa0001', 'user', 8, 1772445650000, 1772445650000, '{"time":{"created":1772445650000},"text":"Mend the till.","files":[]}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_a5', 'ses_aaaa0001', 'assistant', 9, 1772445651000, 1772445653000, '{"time":{"created":1772445651000,"completed":1772445653000},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"stop","cost":0.002,"tokens":{"input":20,"output":2,"reasoning":0,"cache":{"read":0,"write":0}}}');
update session_v2 set title = 'Mend the till, again', time_updated = 1772445654000 where id = 'ses_aaaa0001';
insert into session_v2 (id, project_id, parent_id, fork_session_id, slug, directory, title, version, time_created, time_updated)
  values ('ses_bbbb0002', 'global', null, 'ses_aaaa0001', 'quiet-fox', '/home/dev/shop', 'Mend the till (fork #1)', '2.0.15', 1772445700000, 1772445700000);
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_f1_0', 'ses_bbbb0002', 'user', 0, 1772445601000, 1772445601000, '{"time":{"created":1772445601000},"text":"Mend the till.","files":[]}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_f1_1', 'ses_bbbb0002', 'assistant', 1, 1772445602000, 1772445604000, '{"time":{"created":1772445602000,"completed":1772445604500},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"stop","cost":0.3,"tokens":{"input":2000,"output":200,"reasoning":0,"cache":{"read":0,"write":0}}}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_f1_2', 'ses_bbbb0002', 'assistant', 2, 1772445605000, 1772445606000, '{"time":{"created":1772445605000,"completed":1772445606500},"agent":"build","model":{"id":"gpt-5","providerID":"openai"},"content":[],"finish":"tool-calls","cost":0.04,"tokens":{"input":400,"output":85,"reasoning":80,"cache":{"read":0,"write":0}}}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_b1', 'ses_bbbb0002', 'user', 10, 1772445701000, 1772445701000, '{"time":{"created":1772445701000},"text":"Mend the till.","files":[]}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_b2', 'ses_bbbb0002', 'assistant', 11, 1772445702000, 1772445703000, '{"time":{"created":1772445702000,"completed":1772445703000},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"stop","cost":0.001,"tokens":{"input":10,"output":1,"reasoning":0,"cache":{"read":0,"write":0}}}');
