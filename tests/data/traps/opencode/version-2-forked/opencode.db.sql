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
  values ('ses_aaaa0001', 'global', null, null, 'quiet-fox', '/home/dev/shop', 'Mend the till', '2.0.15', 1772445600000, 1772445600000);
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_a1', 'ses_aaaa0001', 'user', 4, 1772445601000, 1772445601000, '{"time":{"created":1772445601000},"text":"Mend the till.","files":[]}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_a2', 'ses_aaaa0001', 'assistant', 5, 1772445602000, 1772445604000, '{"time":{"created":1772445602000,"completed":1772445604000},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"stop","cost":0.1,"tokens":{"input":1000,"output":100,"reasoning":0,"cache":{"read":0,"write":0}}}');
insert into session_v2 (id, project_id, parent_id, fork_session_id, slug, directory, title, version, time_created, time_updated)
  values ('ses_bbbb0002', 'global', null, 'ses_aaaa0001', 'quiet-fox', '/home/dev/shop', 'Mend the till (fork #1)', '2.0.15', 1772445700000, 1772445700000);
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_f1_4', 'ses_bbbb0002', 'user', 4, 1772445601000, 1772445601000, '{"time":{"created":1772445601000},"text":"Mend the till.","files":[]}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_f1_5', 'ses_bbbb0002', 'assistant', 5, 1772445602000, 1772445604000, '{"time":{"created":1772445602000,"completed":1772445604000},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"stop","cost":0.1,"tokens":{"input":1000,"output":100,"reasoning":0,"cache":{"read":0,"write":0}}}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_b1', 'ses_bbbb0002', 'user', 8, 1772445701000, 1772445701000, '{"time":{"created":1772445701000},"text":"Mend the till.","files":[]}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_b2', 'ses_bbbb0002', 'assistant', 9, 1772445702000, 1772445704000, '{"time":{"created":1772445702000,"completed":1772445704000},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"stop","cost":0.01,"tokens":{"input":100,"output":10,"reasoning":0,"cache":{"read":0,"write":0}}}');
insert into session_v2 (id, project_id, parent_id, fork_session_id, slug, directory, title, version, time_created, time_updated)
  values ('ses_cccc0003', 'global', null, 'ses_bbbb0002', 'quiet-fox', '/home/dev/shop', 'Mend the till (fork #2)', '2.0.15', 1772445800000, 1772445800000);
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_f2_4', 'ses_cccc0003', 'user', 4, 1772445601000, 1772445601000, '{"time":{"created":1772445601000},"text":"Mend the till.","files":[]}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_f2_5', 'ses_cccc0003', 'assistant', 5, 1772445602000, 1772445604000, '{"time":{"created":1772445602000,"completed":1772445604000},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"stop","cost":0.1,"tokens":{"input":1000,"output":100,"reasoning":0,"cache":{"read":0,"write":0}}}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_f2_8', 'ses_cccc0003', 'user', 8, 1772445701000, 1772445701000, '{"time":{"created":1772445701000},"text":"Mend the till.","files":[]}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_f2_9', 'ses_cccc0003', 'assistant', 9, 1772445702000, 1772445704000, '{"time":{"created":1772445702000,"completed":1772445704000},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"stop","cost":0.01,"tokens":{"input":100,"output":10,"reasoning":0,"cache":{"read":0,"write":0}}}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_c1', 'ses_cccc0003', 'user', 12, 1772445801000, 1772445801000, '{"time":{"created":1772445801000},"text":"Mend the till.","files":[]}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_c2', 'ses_cccc0003', 'assistant', 13, 1772445802000, 1772445804000, '{"time":{"created":1772445802000,"completed":1772445804000},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"stop","cost":0.001,"tokens":{"input":10,"output":1,"reasoning":0,"cache":{"read":0,"write":0}}}');
