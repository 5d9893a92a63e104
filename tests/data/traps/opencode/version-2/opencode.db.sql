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
  values ('msg_a2', 'ses_aaaa0001', 'assistant', 5, 1772445602000, 1772445602000, '{"time":{"created":1772445602000},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"cost":0,"tokens":{"input":0,"output":0,"reasoning":0,"cache":{"read":0,"write":0}}}');
update session_message set time_updated = 1772445604000, data = '{"time":{"created":1772445602000,"completed":1772445604000},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"tool-calls","cost":0.01,"tokens":{"input":100,"output":10,"reasoning":0,"cache":{"read":0,"write":0}}}'
  where id = 'msg_a2';
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_a3', 'ses_aaaa0001', 'synthetic', 14, 1772445605000, 1772445605000, '{"time":{"created":1772445605000},"text":"Go on."}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_a4', 'ses_aaaa0001', 'assistant', 15, 1772445606000, 1772445608000, '{"time":{"created":1772445606000,"completed":1772445608000},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"stop","cost":0.02,"tokens":{"input":200,"output":20,"reasoning":0,"cache":{"read":0,"write":0}}}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_a5', 'ses_aaaa0001', 'idle', 19, 1772445609000, 1772445609000, '{"time":{"created":1772445609000},"outcome":"succeeded"}');
insert into session_v2 (id, project_id, parent_id, fork_session_id, slug, directory, title, version, time_created, time_updated)
  values ('ses_bbbb0002', 'global', 'ses_aaaa0001', null, 'quiet-fox', '/home/dev/shop', null, '2.0.15', 1772445605000, 1772445605000);
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_b1', 'ses_bbbb0002', 'user', 4, 1772445606000, 1772445606000, '{"time":{"created":1772445606000},"text":"Mend the till.","files":[]}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_b2', 'ses_bbbb0002', 'assistant', 5, 1772445607000, 1772445608000, '{"time":{"created":1772445607000,"completed":1772445608000},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"error","cost":0.04,"tokens":{"input":400,"output":40,"reasoning":0,"cache":{"read":0,"write":0}},"error":{"type":"aborted","message":"Step interrupted"}}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_b3', 'ses_bbbb0002', 'idle', 9, 1772445609000, 1772445609000, '{"time":{"created":1772445609000},"outcome":"interrupted"}');
insert into session_v2 (id, project_id, parent_id, fork_session_id, slug, directory, title, version, time_created, time_updated)
  values ('ses_cccc0003', 'global', null, null, 'quiet-fox', '/home/dev/shop', 'Mend the till', '2.0.15', 1772445620000, 1772445620000);
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_c1', 'ses_cccc0003', 'user', 4, 1772445621000, 1772445621000, '{"time":{"created":1772445621000},"text":"Mend the till.","files":[]}');
insert into session_message (id, session_id, type, seq, time_created, time_updated, data)
  values ('msg_c2', 'ses_cccc0003', 'assistant', 5, 1772445622000, 1772445623000, '{"time":{"created":1772445622000,"completed":1772445623000},"agent":"build","model":{"id":"claude-sonnet-4-5","providerID":"anthropic"},"content":[],"finish":"error","cost":0.06,"tokens":{"input":600,"output":60,"reasoning":0,"cache":{"read":0,"write":0}},"error":{"type":"provider.internal","message":"Overloaded"}}');
