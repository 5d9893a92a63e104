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
update message set time_updated = 1772445606000, data = '{"role":"user","time":{"created":1772445601000},"agent":"build","model":{"providerID":"anthropic","modelID":"claude-sonnet-4-5"},"summary":{"diffs":[]}}'
  where id = 'msg_a1';
insert into session (id, project_id, parent_id, slug, directory, title, version, time_created, time_updated)
  values ('ses_bbbb0002', 'global', null, 'quiet-fox', '/home/dev/shop', 'Mend the till', '1.15.10', 1772445600000, 1772445600000);
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_b1', 'ses_bbbb0002', 1772445601010, 1772445601010, '{"role":"user","time":{"created":1772445601010},"agent":"build","model":{"providerID":"anthropic","modelID":"claude-sonnet-4-5"}}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_b2', 'ses_bbbb0002', 1772445602009, 1772445604010, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0.01,"tokens":{"input":100,"output":10,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":1772445602009,"completed":1772445604010},"error":{"name":"APIError","data":{"message":"Overloaded"}}}');
insert into session (id, project_id, parent_id, slug, directory, title, version, time_created, time_updated)
  values ('ses_cccc0003', 'global', null, 'quiet-fox', '/home/dev/shop', 'Mend the till', '1.15.10', 1772445600000, 1772445600000);
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_c1', 'ses_cccc0003', 1772445601020, 1772445601020, '{"role":"user","time":{"created":1772445601020},"agent":"build","model":{"providerID":"anthropic","modelID":"claude-sonnet-4-5"}}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_c2', 'ses_cccc0003', 1772445602020, 1772445604019, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0.01,"tokens":{"input":100,"output":10,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":1772445602020,"completed":1772445604019},"error":{"name":"MessageAbortedError","data":{"message":"The operation was aborted."}}}');
insert into session (id, project_id, parent_id, slug, directory, title, version, time_created, time_updated)
  values ('ses_dddd0004', 'global', null, 'quiet-fox', '/home/dev/shop', 'Mend the till', '1.15.10', 1772445600000, 1772445600000);
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_d1', 'ses_dddd0004', 1772445601030, 1772445601030, '{"role":"user","time":{"created":1772445601030},"agent":"build","model":{"providerID":"anthropic","modelID":"claude-sonnet-4-5"}}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_d2', 'ses_dddd0004', 1772445602029, 1772445604030, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0.01,"tokens":{"input":100,"output":10,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":1772445602029,"completed":1772445604030},"finish":"length"}');
insert into session (id, project_id, parent_id, slug, directory, title, version, time_created, time_updated)
  values ('ses_eeee0005', 'global', null, 'quiet-fox', '/home/dev/shop', 'Mend the till', '1.15.10', 1772445600000, 1772445600000);
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_e1', 'ses_eeee0005', 1772445601040, 1772445601040, '{"role":"user","time":{"created":1772445601040},"agent":"build","model":{"providerID":"anthropic","modelID":"claude-sonnet-4-5"}}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_e2', 'ses_eeee0005', 1772445602040, 1772445604040, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0.01,"tokens":{"input":100,"output":10,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":1772445602040,"completed":1772445604040},"finish":"tool-calls"}');
insert into session (id, project_id, parent_id, slug, directory, title, version, time_created, time_updated)
  values ('ses_ffff0006', 'global', null, 'quiet-fox', '/home/dev/shop', 'Mend the till', '1.15.10', 1772445600000, 1772445600000);
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_f1', 'ses_ffff0006', 1772445601050, 1772445601050, '{"role":"user","time":{"created":1772445601050},"agent":"build","model":{"providerID":"anthropic","modelID":"claude-sonnet-4-5"}}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_f2', 'ses_ffff0006', 1772445602050, 1772445604050, '{"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0.01,"tokens":{"input":100,"output":10,"reasoning":0,"cache":{"read":0,"write":0}},"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":1772445602050,"completed":1772445604050},"finish":"stop"}');
insert into message (id, session_id, time_created, time_updated, data)
  values ('msg_f3', 'ses_ffff0006', 1772445608050, 1772445608050, '{"role":"user","time":{"created":1772445608050},"agent":"build","model":{"providerID":"anthropic","modelID":"claude-sonnet-4-5"}}');
