-- join_writers --
-- Write beside others; nobody who has to be alone writes meanwhile.
select pg_advisory_xact_lock_shared(hashtextextended('rollbook ' || current_schema(), 0))

-- write_alone --
select pg_advisory_xact_lock(hashtextextended('rollbook ' || current_schema(), 0))

-- generation --
-- Changes with every transaction that was alone: what was remembered before does not hold any more.
select coalesce((select cast(value as bigint) from book_fact where name = 'generation'), 0)

-- bump_generation --
insert into book_fact (name, value) values ('generation', '1')
on conflict (name) do update set value = cast(cast(book_fact.value as bigint) + 1 as text)

-- lane_number --
select nextval('lane_numbers')

-- mark_batch --
insert into lane (lane_no, batch, at) values (:lane_no, :batch, :at)
on conflict (lane_no) do update set batch = excluded.batch, at = excluded.at

-- batch_of --
select batch from lane where lane_no = :lane_no

-- drop_lane --
delete from lane where lane_no = :lane_no or at < :before

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

-- session_numbers --
select nextval('session_numbers'), 64

-- these_slices --
slice_no in (select cast(value as bigint) from json_array_elements_text(cast(:slices as json)))

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
