-- join_writers --
-- Write beside others; nobody who has to be alone writes meanwhile. The book's generation, which changes with every
-- transaction that was alone: what was remembered before does not hold any more.
select join_writers()

-- hold_names --
-- New names are made by one writer after the other, each to its end: two who made the same in different orders would
-- wait for each other.
select pg_advisory_xact_lock(hashtextextended('rollbook names ' || current_schema(), 0))

-- write_alone --
select write_alone()

-- bump_generation --
insert into book_fact (name, value) values ('generation', '1')
on conflict (name) do update set value = cast(cast(book_fact.value as bigint) + 1 as text)

-- lane_number --
select nextval('lane_numbers')

-- mark_batch --
insert into lane (lane_no, batch, at) values {values}
on conflict (lane_no) do update set batch = excluded.batch, at = excluded.at

-- own_lane --
-- Held as long as the server has the connection.
select pg_advisory_lock(hashtextextended('rollbook lane ' || current_schema(), :lane_no))

-- end_lane --
-- The connection that has the lane's number, if the server still has it, is ended.
select pg_terminate_backend(pid) from pg_locks
where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
    and objsubid = 1 and granted and pid <> pg_backend_pid()
    and ((cast(classid as bigint) << 32) | cast(objid as bigint))
        = hashtextextended('rollbook lane ' || current_schema(), :lane_no)

-- batch_of --
-- To be told by the server that writes, and not by a copy of it.
select batch from lane where lane_no = :lane_no for update

-- drop_lane --
delete from lane where lane_no = :lane_no

-- drop_old_lanes --
-- A few of those that were not closed, which are not looked for any more.
delete from lane where lane_no in (select lane_no from lane where at < :before order by at limit 100
    for update skip locked)

-- hold_users --
select user_no from account where user_no in (values {values}) order by user_no for update

-- numbers_of --
select user_no, session_no, session_id from session where (user_no, session_id) in (values {values})

-- hold_sessions --
-- Sessions that are to be changed, locked in the order of their keys.
select user_no, session_no, session_id, status, slice_no, started_at, last_activity_at, ended_at, last_sign, attempt,
    attempt_started_at, agent_time, turns, calls, tokens_in, tokens_out, cache_read, cache_write, reasoning, cost,
    unpriced, call_errors, step_errors, late_calls, late_rows, ledger_rows, last_model_no, last_model_at, flags, life,
    pruned_rows, version
from session where (user_no, session_no) in (values {values}) order by user_no, session_no for no key update

-- drop_notes_about --
delete from note where user_no = ? and room = 'trace' and strpos(value, ?) > 0

-- hold_notes --
-- Notes that are to be changed, locked in the order of their keys.
select user_no, room, name, version, value, expires_at from note where (user_no, room, name) in (values {values})
order by user_no, room, name for update

-- expired_notes --
-- What somebody is changing is not waited for.
select user_no, room, name from note where expires_at < :before order by expires_at limit :most
for update skip locked

-- session_numbers --
select nextval('session_numbers'), 64

-- these_slices --
slice_no in (select cast(value as bigint) from json_array_elements_text(cast(:slices as json)))

-- whose_users --
user_no in (select cast(value as bigint) from json_array_elements_text(cast(:users as json)))

-- scope_users --
session.user_no in (select cast(value as bigint) from json_array_elements_text(cast(:users as json)))

-- spend_in_stretches --
select stretch.low, coalesce(model.name, 'unknown') as line,
    case when slice.agent = '' then '(none)' else slice.agent end as agent, slice.deleted, sum(spend.calls),
    sum(spend.tokens_in), sum(spend.tokens_out), sum(spend.cost), sum(spend.unpriced), sum(spend.late_calls),
    sum(spend.late_cost)
from (values {values}) as stretch (low, high)
cross join lateral (select * from spend kept where kept.user_no = 0 and kept.quarter >= stretch.low
    and kept.quarter <= stretch.high offset 0) as spend
join slice on slice.slice_no = spend.slice_no
left join model on model.model_no = spend.model_no
group by stretch.low, line, slice.agent, slice.deleted

-- drop_files_of --
delete from source_file where user_no = ? and (strpos(path, ?) > 0 or position(? in state) > 0)

-- filters --
(cast(:slices as text) is null or session.slice_no in (
        select cast(value as bigint) from json_array_elements_text(cast(:slices as json))))
    and (cast(:channel as text) is null
        or exists (select 1 from session_info i where i.user_no = session.user_no and i.session_no = session.session_no
            and i.channel = :channel))
    and (cast(:tag as text) is null
        or exists (select 1 from session_info i, json_array_elements_text(cast(i.tags as json)) t(value)
            where i.user_no = session.user_no and i.session_no = session.session_no and t.value = :tag))
    and (cast(:model_no as bigint) is null
        or exists (select 1 from model_usage m where m.user_no = session.user_no and m.session_no = session.session_no
            and m.model_no = :model_no))
    and (cast(:text as text) is null or session.session_id ilike :text escape '\'
        or exists (select 1 from session_info i where i.user_no = session.user_no and i.session_no = session.session_no
            and (i.title ilike :text escape '\' or i.goal_text ilike :text escape '\')))

-- asked_tag --
exists (select 1 from session_info i, json_array_elements_text(cast(i.tags as json)) t(value)
    where i.user_no = session.user_no and i.session_no = session.session_no and t.value {match})

-- every_spend --
select user_no, quarter, slice_no, model_no, sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), sum(unpriced),
    sum(late_calls), sum(late_cost)
from spend group by user_no, quarter, slice_no, model_no

-- every_activity --
select user_no, hour, status, slice_no, sum(sessions), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost),
    sum(unpriced), sum(errors), sum(agent_time)
from activity group by user_no, hour, status, slice_no

-- every_activity_model --
select user_no, hour, model_no, sum(sessions), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), sum(unpriced)
from activity_model group by user_no, hour, model_no

-- shown --
-- Session by session: the planner takes the numbers of users and of sessions for independent of each other.
select session.user_no, session.session_no, session.session_id, account.user_id, slice.dataset_id, session.status,
    session.started_at, session.last_activity_at, session.ended_at, session.tokens_in, session.tokens_out, session.cost,
    session.call_errors, session.step_errors, model.name, slice.kind, session_info.channel, slice.agent, slice.project,
    session_info.title, session_info.goal_text, session_info.parent_id, parent.user_id, session.life, session.attempt,
    session.turns, session.calls, session.unpriced, session.late_calls, session.cache_read, session.cache_write,
    session.reasoning, session.agent_time, session.flags, session_info.tags, session_info.metadata, session_info.actor
from (values {values}) as wanted (user_no, session_no)
cross join lateral (select * from session kept where kept.user_no = wanted.user_no
    and kept.session_no = wanted.session_no offset 0) as session
join account on account.user_no = session.user_no
join slice on slice.slice_no = session.slice_no
left join model on model.model_no = session.last_model_no
left join session_info on session_info.user_no = session.user_no and session_info.session_no = session.session_no
left join account parent on parent.user_no = session_info.parent_user_no

-- names_stretch --
-- In the order of the index, whose first column is the user here.
select usage_key, user_no from usage_key where (user_no, usage_key) > (:after_user, :after_key)
order by user_no, usage_key limit 1 offset :width

-- loose_aliases --
-- The same.
select alias.usage_key, alias.user_no from usage_key alias
left join usage_key first on first.usage_key = alias.alias_of and first.user_no = alias.user_no
    and first.alias_of is null
where alias.alias_of is not null and first.usage_key is null
    and (alias.user_no, alias.usage_key) > (:after_user, :after_key)
    and (alias.user_no, alias.usage_key) <= (:upto_user, :upto_key)
