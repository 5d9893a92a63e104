-- user_no --
-- The number of a user.
select user_no from account where user_id = :user_id

-- add_user --
insert into account (user_id, name) values (?, ?) on conflict (user_id) do nothing

-- users --
select user_no, user_id, name from account

-- user_id --
select user_id from account where user_no = :user_no

-- user_ids --
select user_no, user_id from account where user_no in (values {values})

-- user_numbers --
select user_no, user_id from account where user_id in (values {values})

-- users_numbered --
select user_id, name from account where user_no in (values {values})

-- slices_in_datasets --
-- Whose sessions of datasets are kept apart as what, deleted ones too.
select user_no, slice_no from slice where dataset_id <> '' and dataset_id in (values {values})

-- slices_by_dataset --
-- The same of every dataset, with its name.
select user_no, slice_no, dataset_id from slice where dataset_id <> ''

-- model_no --
select model_no from model where name = :name

-- model_name --
select name from model where model_no = :model_no

-- add_model --
insert into model (name) values (?) on conflict (name) do nothing

-- label_no --
select label_no from label where name = :name

-- label_name --
select name from label where label_no = :label_no

-- add_label --
insert into label (name) values (?) on conflict (name) do nothing

-- slice_no --
select slice_no from slice
where user_no = :user_no and dataset_id = :dataset_id and agent = :agent and kind = :kind and project = :project
  and deleted = :deleted and driver = :driver

-- slice_facts --
select user_no, dataset_id, agent, kind, project, deleted, driver from slice where slice_no = :slice_no

-- kept_slices --
select slice_no, user_no, dataset_id, agent, kind, project, deleted, driver from slice

-- drop_everybodys_slices --
-- Those of everybody in which no user's slice is any more: nothing is spent there.
delete from slice where user_no = 0 and not exists (select 1 from slice own where own.user_no > 0
    and own.agent = slice.agent and own.kind = slice.kind and own.deleted = slice.deleted)

-- add_slice --
insert into slice (user_no, dataset_id, agent, kind, project, deleted, driver) values (?, ?, ?, ?, ?, ?, ?)
on conflict (user_no, dataset_id, agent, kind, project, deleted, driver) do nothing

-- sessions_by_id --
-- Writer: the stored rows of sessions, by user and id.
select user_no, session_no, session_id, status, slice_no, started_at, last_activity_at, ended_at, last_sign, attempt,
    attempt_started_at, agent_time, turns, calls, tokens_in, tokens_out, cache_read, cache_write, reasoning, cost,
    unpriced, call_errors, step_errors, late_calls, late_rows, ledger_rows, last_model_no, last_model_at, flags, life,
    pruned_rows, version
from session where (user_no, session_id) in (values {values})

-- sessions_by_no --
-- Writer: the same, by user and number.
select user_no, session_no, session_id, status, slice_no, started_at, last_activity_at, ended_at, last_sign, attempt,
    attempt_started_at, agent_time, turns, calls, tokens_in, tokens_out, cache_read, cache_write, reasoning, cost,
    unpriced, call_errors, step_errors, late_calls, late_rows, ledger_rows, last_model_no, last_model_at, flags, life,
    pruned_rows, version
from session where (user_no, session_no) in (values {values})

-- models_of --
-- Writer: the sums per model of sessions.
select user_no, session_no, model_no, calls, tokens_in, tokens_out, cache_read, cache_write, reasoning, cost, unpriced,
    call_errors
from model_usage where (user_no, session_no) in (values {values})

-- infos_of --
-- Writer: what has been said of sessions.
select user_no, session_no, facts from session_info where (user_no, session_no) in (values {values})

-- session_numbers --
-- Writer: the number of a user's next session, and how many numbers may follow it.
select coalesce(max(number), 0) + 1, 4611686018427387904 from (
    select max(session_no) as number from session where user_no = :user_no
    union all
    select last_session_no from account where user_no = :user_no) numbers

-- keys_of --
-- Writer: what is known under the names of calls.
select usage_key, user_no, alias_of, session_no, row_no from usage_key where (usage_key, user_no) in (values {values})

-- ledger_rows --
-- Writer: single rows of the ledger.
select user_no, session_no, row_no, entry, model_no, provider_no, occurred_at, recorded_at, calls, input, cache_read,
    cache_write, cache_write_1h, output, reasoning, audio_in, audio_out, cost, unpriced, cost_source, price_no, billing,
    tier, source_no, evidence, weight, errored, late, usage_id
from ledger where (user_no, session_no, row_no) in (values {values})

-- ledger_of --
-- Writer: every ledger row of a session.
select user_no, session_no, row_no, entry, model_no, provider_no, occurred_at, recorded_at, calls, input, cache_read,
    cache_write, cache_write_1h, output, reasoning, audio_in, audio_out, cost, unpriced, cost_source, price_no, billing,
    tier, source_no, evidence, weight, errored, late, usage_id
from ledger where user_no = :user_no and session_no = :session_no order by row_no

-- any_purged --
select 1 from purged limit 1

-- purged_among --
-- Which of these were pruned or purged.
select hash from purged where hash in (values {values})

-- foldable --
-- Writer: old ledger rows of a session that are no closing rows.
select user_no, session_no, row_no, entry, model_no, provider_no, occurred_at, recorded_at, calls, input, cache_read,
    cache_write, cache_write_1h, output, reasoning, audio_in, audio_out, cost, unpriced, cost_source, price_no, billing,
    tier, source_no, evidence, weight, errored, late, usage_id
from ledger
where user_no = :user_no and session_no = :session_no and entry <> 4 and occurred_at < :before
order by row_no
limit :most

-- better_told --
-- Writer: whether a session has a call of which something better than metrics told, counted now or not.
select 1 from ledger where user_no = :user_no and session_no = :session_no and entry in (0, 2) and evidence > 10 limit 1

-- closings_of --
-- Writer: the closing rows of a session.
select user_no, session_no, row_no, entry, model_no, provider_no, occurred_at, recorded_at, calls, input, cache_read,
    cache_write, cache_write_1h, output, reasoning, audio_in, audio_out, cost, unpriced, cost_source, price_no, billing,
    tier, source_no, evidence, weight, errored, late, usage_id
from ledger where user_no = :user_no and session_no = :session_no and entry = 4

-- drop_ledger --
delete from ledger where user_no = ? and session_no = ? and row_no = ?

-- drop_keys --
delete from usage_key where usage_key = ? and user_no = ?

-- loose_aliases --
-- Writer: other names of calls, in a stretch, that do not lead straight to a call; some do so by way of another one.
select alias.usage_key, alias.user_no from usage_key alias
left join usage_key first on first.usage_key = alias.alias_of and first.user_no = alias.user_no
    and first.alias_of is null
where alias.alias_of is not null and first.usage_key is null
    and (alias.usage_key, alias.user_no) > (:after_key, :after_user)
    and (alias.usage_key, alias.user_no) <= (:upto_key, :upto_user)

-- drop_notes_about --
-- What is known of traces that name a session.
delete from note where user_no = ? and room = 'trace' and instr(value, ?) > 0

-- drop_contents_of_notes --
delete from note where room in ('trace', 'answer')

-- drop_notes_of --
delete from note where user_no = ?

-- drop_retracted_of --
-- Names of what was never reported, or only after it was retracted: no session's row stands for them.
delete from usage_key where user_no = ? and alias_of is null and session_no = 0

-- free_children --
-- The users under one stand for themselves.
update account set parent_no = null where parent_no = ?

-- drop_grants_of --
-- What a user may see of others, by itself and by its keys.
delete from dataset_grant where holder in (select 'user:' || user_id from account where user_no = ?)
    or holder in (select 'key:' || key_id from access_key where user_no = ?)

-- drop_access_keys --
delete from access_key where user_no = ?

-- keep_last_no --
-- The highest number of a user's sessions that were purged.
update account set last_session_no = case when last_session_no < ? then ? else last_session_no end where user_no = ?

-- drop_session --
delete from session where user_no = ? and session_no = ?

-- add_purged --
insert into purged (hash) values {values} on conflict (hash) do nothing

-- drop_files_of --
-- What is known of files that speak of a session.
delete from source_file where user_no = ? and (instr(path, ?) > 0 or instr(state, ?) > 0)

-- drop_slices_of --
-- Facts that are said of no session of a user any more.
delete from slice where user_no = ? and not exists (select 1 from session where session.slice_no = slice.slice_no
    and session.user_no = slice.user_no)

-- drop_slices_without_sums --
-- The same, of sessions that are not deleted: each of them counts in the sums of all time (hour -1).
delete from slice where user_no = ? and deleted = 0 and coalesce((
    select sum(activity.sessions) from activity where activity.user_no = slice.user_no and activity.hour = -1
        and activity.status in (0, 1, 2, 3, 4) and activity.slice_no = slice.slice_no), 0) = 0

-- drop_deleted_slice --
-- One that deleted sessions had, unless another one has it.
delete from slice where slice_no = ? and deleted = 1 and not exists (select 1 from session
    where session.user_no = slice.user_no and session.status = 5 and session.slice_no = slice.slice_no)

-- drop_user_files --
delete from source_file where user_no = ? and not exists (select 1 from session where user_no = ?)

-- drop_user --
-- Unless the user began anew at once.
delete from account where user_no = ? and not exists (select 1 from session where user_no = ?)
    and not exists (select 1 from journal_state where user_no = ?)

-- prune_due --
-- Sessions, after one in the order of their keys, of which a retention rule may remove something.
select session.user_no, session.session_no, account.user_id, session.session_id, session.status,
    session.last_activity_at, session.ledger_rows - session.pruned_rows + case
        when session.status <> 5 and session.last_activity_at < :sessions_before
            or session.status <> 5 and session.last_activity_at < :content_before
        then (select coalesce(sum(h.length), 0) from journal_head h
            where h.user_no = session.user_no and h.session_no = session.session_no)
        else 0 end
from session
join account on account.user_no = session.user_no
join slice on slice.slice_no = session.slice_no
where {scope} and (session.user_no, session.session_no) > (:after_user, :after_session)
    and (session.status <> 0 or session.last_activity_at < :running_since)
    and (cast(:status as bigint) is null or session.status = :status)
    and (cast(:agent as text) is null or slice.agent = :agent)
    and (cast(:kind as text) is null or slice.kind = :kind)
    and (session.status <> 5 and session.last_activity_at < :sessions_before
        or session.status <> 5 and session.last_activity_at < :content_before
        and (exists (select 1 from session_info i where i.user_no = session.user_no
                and i.session_no = session.session_no and (i.title is not null or i.goal_text is not null
                    or i.metadata is not null or i.tags is not null or i.actor is not null))
            or (session.flags & 2) <> 0
            or exists (select 1 from journal_head h where h.user_no = session.user_no
                and h.session_no = session.session_no)
            or exists (select 1 from journal_state s where s.user_no = session.user_no
                and s.session_no = session.session_no))
        or session.started_at < :ledger_before
        and exists (select 1 from ledger where ledger.user_no = session.user_no
            and ledger.session_no = session.session_no and ledger.entry <> 4 and ledger.occurred_at < :ledger_before))
order by session.user_no, session.session_no
limit :most

-- prune_rows --
-- The ledger rows that pruning a session would look at: old ones, and the closing rows that it has.
select user_no, session_no, row_no, entry, model_no, provider_no, occurred_at, recorded_at, calls, input, cache_read,
    cache_write, cache_write_1h, output, reasoning, audio_in, audio_out, cost, unpriced, cost_source, price_no, billing,
    tier, source_no, evidence, weight, errored, late, usage_id
from ledger where user_no = :user_no and session_no = :session_no and occurred_at < :before order by row_no

-- said_of --
-- Whether anything is said of a session that can be forgotten.
select 1 from session_info where user_no = :user_no and session_no = :session_no
    and (title is not null or goal_text is not null or metadata is not null or tags is not null or actor is not null)
union all
select 1 from session where user_no = :user_no and session_no = :session_no and (flags & 2) <> 0
union all
select 1 from journal_head where user_no = :user_no and session_no = :session_no
union all
select 1 from journal_state where user_no = :user_no and session_no = :session_no
limit 1

-- names_stretch --
-- The end of a stretch of the key table that begins after a key.
select usage_key, user_no from usage_key where (usage_key, user_no) > (:after_key, :after_user)
order by usage_key, user_no limit 1 offset :width

-- sessions_from --
-- Sessions of a user in the order of their keys, deleted ones too, and how many rows and entries they have.
select session_no, session_id, ledger_rows - pruned_rows + (select coalesce(sum(h.length), 0) from journal_head h
    where h.user_no = session.user_no and h.session_no = session.session_no)
from session
where user_no = :user_no and session_no > :after order by session_no limit :most

-- tree_of --
-- A session, deleted or not, and everything below it, deepest last.
with recursive tree (user_no, session_no, session_id, kept_rows) as (
    select user_no, session_no, session_id, ledger_rows - pruned_rows from session
    where user_no = :user_no and session_id = :session_id
    union
    select session.user_no, session.session_no, session.session_id, session.ledger_rows - session.pruned_rows from tree
    join session_info on session_info.parent_user_no = tree.user_no and session_info.parent_id = tree.session_id
    join session on session.user_no = session_info.user_no and session.session_no = session_info.session_no
)
select session_no, session_id, kept_rows + (select coalesce(sum(h.length), 0) from journal_head h
    where h.user_no = tree.user_no and h.session_no = tree.session_no)
from tree

-- spent_of --
-- What all ledger rows of a session come to.
select coalesce(sum(calls), 0), coalesce(sum(cost), 0), coalesce(sum(unpriced), 0) from ledger
where user_no = :user_no and session_no = :session_no

-- running_of --
-- Writer: running sessions of a user, but one.
select session_no from session
where user_no = :user_no and status = 0 and session_id <> :session_id
order by last_activity_at
limit :most

-- beat_instance --
-- Writer: an instance is new, or lives.
insert into instance (instance_id, host, boot_id, pid_namespace, pid, started, registered_at, beat, beat_at, lease_us)
values (?, ?, ?, ?, ?, ?, ?, 1, ?, ?)
on conflict (instance_id) do update set beat = instance.beat + 1, beat_at = excluded.beat_at,
    lease_us = excluded.lease_us, ended_at = null

-- end_instance --
update instance set ended_at = ? where instance_id = ?

-- drop_instance --
delete from instance where instance_id = ?

-- hold_instance --
-- Writer: changes nothing, but where others write at the same time they wait.
update instance set beat = beat where instance_id = ?

-- heard_of --
select beat, ended_at from instance where instance_id = :instance_id

-- claim_session --
insert into session_instance (user_no, session_no, instance_id, loose) values (?, ?, ?, ?)
on conflict (user_no, session_no) do update set instance_id = excluded.instance_id, loose = excluded.loose
where session_instance.instance_id <> excluded.instance_id or session_instance.loose > excluded.loose

-- release_session --
delete from session_instance where user_no = ? and session_no = ? and instance_id = ?

-- release_all --
delete from session_instance where instance_id = ?

-- drop_owner --
delete from session_instance where user_no = ? and session_no = ?

-- owner_of --
select instance_id from session_instance where user_no = :user_no and session_no = :session_no

-- marked_of --
-- Writer: sessions of an instance that are presumed crashed.
select account.user_id, session.session_id from session_instance
cross join session
join account on account.user_no = session.user_no
where session_instance.instance_id = :instance_id and session.user_no = session_instance.user_no
    and session.session_no = session_instance.session_no and session.status = 4

-- owned_by --
-- Running sessions of an instance, after one in the order of their keys.
select session.user_no, session.session_no, account.user_id, session.session_id from session_instance
join session on session.user_no = session_instance.user_no and session.session_no = session_instance.session_no
join account on account.user_no = session.user_no
where session_instance.instance_id = :instance_id
    and (session_instance.user_no, session_instance.session_no) > (:after_user, :after_session)
    and session.status = 0 and (session_instance.loose = 0 or session.last_activity_at >= :silent_since)
order by session_instance.user_no, session_instance.session_no
limit :most

-- open_instances --
select instance_id, host, boot_id, pid_namespace, pid, started, lease_us, registered_at, beat, beat_at, ended_at
from instance where ended_at is null and (cast(:boot_id as text) is null or boot_id = :boot_id)
order by instance_id

-- instance_of --
select instance.instance_id, host, boot_id, pid_namespace, pid, started, lease_us, registered_at, beat, beat_at, ended_at
from session_instance join instance on instance.instance_id = session_instance.instance_id
where session_instance.user_no = :user_no and session_instance.session_no = :session_no

-- old_instance --
-- One that does not beat (an agent's, learnt from a hook) may be another machine's, so that nobody here sees its end.
select 1 from instance where coalesce(ended_at, case when lease_us = 0 then beat_at end) < :before limit 1

-- forget_owners --
delete from session_instance where instance_id in (select instance_id from instance
    where coalesce(ended_at, case when lease_us = 0 then beat_at end) < ?)

-- forget_instances --
delete from instance where coalesce(ended_at, case when lease_us = 0 then beat_at end) < ?

-- every_stray_owner --
-- What is noted to run a session where either is not there.
select session_instance.user_no, session_instance.session_no, session_instance.instance_id,
    case when session.session_id is null or session.status = 5 then 'session' else 'instance' end
from session_instance
left join session on session.user_no = session_instance.user_no and session.session_no = session_instance.session_no
left join instance on instance.instance_id = session_instance.instance_id
where session.session_id is null or session.status = 5 or instance.instance_id is null

-- count_silent_instances --
-- Instances that have not been heard of for longer than they were to be.
select count(*) from instance where ended_at is null and lease_us > 0 and beat_at + lease_us < :now

-- count_open_instances --
select count(*) from instance where ended_at is null

-- tree_with_figures --
-- A session and everything below it, whose parent it is of each and what it used itself.
with recursive tree (user_no, session_no, session_id) as (
    select user_no, session_no, session_id from session where user_no = :user_no and session_no = :session_no
    union
    select session.user_no, session.session_no, session.session_id from tree
    join session_info on session_info.parent_user_no = tree.user_no and session_info.parent_id = tree.session_id
    join session on session.user_no = session_info.user_no and session.session_no = session_info.session_no
        and session.status <> 5
)
select session.user_no, session.session_no, session.session_id, account.user_id, session_info.parent_user_no,
    session_info.parent_id, session.status, session.last_activity_at, slice.agent, session_info.title, session.calls,
    session.cost, session.unpriced, session.slice_no, session.tokens_in, session.tokens_out
from tree
join session on session.user_no = tree.user_no and session.session_no = tree.session_no
join account on account.user_no = session.user_no
join slice on slice.slice_no = session.slice_no
left join session_info on session_info.user_no = session.user_no and session_info.session_no = session.session_no
order by session.started_at, session.user_no, session.session_no

-- parent_of --
-- Writer: the parent of a session.
select session_info.parent_user_no, session_info.parent_id from session_info
join session on session.user_no = session_info.user_no and session.session_no = session_info.session_no
where session.user_no = :user_no and session.session_id = :session_id

-- save_sessions --
insert into session (user_no, session_no, session_id, status, slice_no, started_at, last_activity_at, ended_at, last_sign,
    attempt, attempt_started_at, agent_time, turns, calls, tokens_in, tokens_out, cache_read, cache_write, reasoning, cost,
    unpriced, call_errors, step_errors, late_calls, late_rows, ledger_rows, last_model_no, last_model_at, flags, life,
    pruned_rows, version)
values {values}
on conflict (user_no, session_no) do update set status = excluded.status, slice_no = excluded.slice_no,
    started_at = excluded.started_at, last_activity_at = excluded.last_activity_at, ended_at = excluded.ended_at,
    last_sign = excluded.last_sign, attempt = excluded.attempt, attempt_started_at = excluded.attempt_started_at,
    agent_time = excluded.agent_time, turns = excluded.turns, calls = excluded.calls, tokens_in = excluded.tokens_in,
    tokens_out = excluded.tokens_out, cache_read = excluded.cache_read, cache_write = excluded.cache_write,
    reasoning = excluded.reasoning, cost = excluded.cost, unpriced = excluded.unpriced,
    call_errors = excluded.call_errors, step_errors = excluded.step_errors, late_calls = excluded.late_calls,
    late_rows = excluded.late_rows, ledger_rows = excluded.ledger_rows, last_model_no = excluded.last_model_no,
    last_model_at = excluded.last_model_at, flags = excluded.flags, life = excluded.life,
    pruned_rows = excluded.pruned_rows, version = excluded.version

-- save_infos --
insert into session_info (user_no, session_no, channel, title, goal_text, metadata, tags, actor, parent_user_no, parent_id,
    facts)
values {values}
on conflict (user_no, session_no) do update set channel = excluded.channel, title = excluded.title,
    goal_text = excluded.goal_text, metadata = excluded.metadata, tags = excluded.tags, actor = excluded.actor,
    parent_user_no = excluded.parent_user_no, parent_id = excluded.parent_id, facts = excluded.facts

-- drop_infos --
delete from session_info where user_no = ? and session_no = ?

-- save_models --
insert into model_usage (user_no, session_no, model_no, calls, tokens_in, tokens_out, cache_read, cache_write, reasoning,
    cost, unpriced, call_errors)
values {values}
on conflict (user_no, session_no, model_no) do update set calls = excluded.calls, tokens_in = excluded.tokens_in,
    tokens_out = excluded.tokens_out, cache_read = excluded.cache_read, cache_write = excluded.cache_write,
    reasoning = excluded.reasoning, cost = excluded.cost, unpriced = excluded.unpriced,
    call_errors = excluded.call_errors

-- drop_models --
delete from model_usage where user_no = ? and session_no = ? and model_no = ?

-- add_ledger --
insert into ledger (user_no, session_no, row_no, entry, model_no, provider_no, occurred_at, recorded_at, calls, input,
    cache_read, cache_write, cache_write_1h, output, reasoning, audio_in, audio_out, cost, unpriced, cost_source, price_no,
    billing, tier, source_no, evidence, weight, errored, late, usage_id)
values {values}

-- set_late --
update ledger set late = ? where user_no = ? and session_no = ? and row_no = ?

-- set_evidence --
update ledger set evidence = ?, source_no = ?, weight = ? where user_no = ? and session_no = ? and row_no = ?

-- add_keys --
-- Names that nobody used when the batch began.
insert into usage_key (usage_key, user_no, alias_of, session_no, row_no) values {values}

-- save_keys --
-- Names of calls that are known already.
insert into usage_key (usage_key, user_no, alias_of, session_no, row_no) values {values}
on conflict (usage_key, user_no) do update set alias_of = excluded.alias_of, session_no = excluded.session_no,
    row_no = excluded.row_no

-- add_spend --
insert into spend (user_no, quarter, slice_no, model_no, calls, tokens_in, tokens_out, cost, unpriced, late_calls,
    late_cost)
values {values}
on conflict (user_no, quarter, slice_no, model_no{and_slot}) do update set calls = spend.calls + excluded.calls,
    tokens_in = spend.tokens_in + excluded.tokens_in, tokens_out = spend.tokens_out + excluded.tokens_out,
    cost = spend.cost + excluded.cost, unpriced = spend.unpriced + excluded.unpriced,
    late_calls = spend.late_calls + excluded.late_calls, late_cost = spend.late_cost + excluded.late_cost

-- drop_empty_spend --
delete from spend where user_no = ? and quarter = ? and slice_no = ? and model_no = ?
    and calls = 0 and tokens_in = 0 and tokens_out = 0 and cost = 0 and unpriced = 0 and late_calls = 0
    and late_cost = 0{own_slot}

-- add_activity --
insert into activity (user_no, hour, status, slice_no, sessions, calls, tokens_in, tokens_out, cost, unpriced, errors,
    agent_time)
values {values}
on conflict (user_no, hour, status, slice_no{and_slot}) do update set sessions = activity.sessions + excluded.sessions,
    calls = activity.calls + excluded.calls, tokens_in = activity.tokens_in + excluded.tokens_in,
    tokens_out = activity.tokens_out + excluded.tokens_out, cost = activity.cost + excluded.cost,
    unpriced = activity.unpriced + excluded.unpriced, errors = activity.errors + excluded.errors,
    agent_time = activity.agent_time + excluded.agent_time

-- drop_empty_activity --
delete from activity where user_no = ? and hour = ? and status = ? and slice_no = ?
    and sessions = 0 and calls = 0 and tokens_in = 0 and tokens_out = 0 and cost = 0 and unpriced = 0 and errors = 0
    and agent_time = 0{own_slot}

-- add_activity_model --
insert into activity_model (user_no, hour, model_no, sessions, calls, tokens_in, tokens_out, cost, unpriced)
values {values}
on conflict (user_no, hour, model_no{and_slot}) do update set sessions = activity_model.sessions + excluded.sessions,
    calls = activity_model.calls + excluded.calls, tokens_in = activity_model.tokens_in + excluded.tokens_in,
    tokens_out = activity_model.tokens_out + excluded.tokens_out, cost = activity_model.cost + excluded.cost,
    unpriced = activity_model.unpriced + excluded.unpriced

-- drop_empty_activity_model --
delete from activity_model where user_no = ? and hour = ? and model_no = ?
    and sessions = 0 and calls = 0 and tokens_in = 0 and tokens_out = 0 and cost = 0 and unpriced = 0{own_slot}

-- save_files --
insert into source_file (user_no, source, path, device, inode, size, read_to, head_hash, mtime_ns, state) values {values}
on conflict (user_no, source, path) do update set device = excluded.device, inode = excluded.inode, size = excluded.size,
    read_to = excluded.read_to, head_hash = excluded.head_hash, mtime_ns = excluded.mtime_ns, state = excluded.state

-- notes_of --
-- Notes, expired ones too.
select user_no, room, name, version, value, expires_at from note where (user_no, room, name) in (values {values})

-- add_notes --
-- Notes that were not there when the batch began; whoever adds the same one at once is undone.
insert into note (user_no, room, name, version, value, expires_at) values {values}

-- save_notes --
insert into note (user_no, room, name, version, value, expires_at) values {values}
on conflict (user_no, room, name) do update set version = excluded.version, value = excluded.value,
    expires_at = excluded.expires_at

-- drop_notes --
delete from note where (user_no, room, name) in (values {values})

-- notes_by_age --
-- What of everybody waits in notes of a room, the oldest first.
select a.user_id, n.name, n.version, n.value
from note n join account a on a.user_no = n.user_no
where n.expires_at >= :since and n.expires_at <= :upto and n.room = :room
order by n.expires_at limit :most

-- notes_due --
select account.user_id, note.name, note.version, note.value from note
join account on account.user_no = note.user_no
where note.expires_at >= :since and note.expires_at <= :upto and note.room = :room
order by note.expires_at, note.user_no, note.name limit :most

-- expired_notes --
select user_no, room, name from note where expires_at < :before order by expires_at limit :most

-- file_seen --
-- How large and how old a file was when it was last read.
select size, mtime_ns from source_file where user_no = :user_no and source = :source and path = :path

-- files_of --
select path, device, inode, size, read_to, head_hash, mtime_ns, state from source_file
where user_no = :user_no and source = :source

-- files_by_path --
select path, device, inode, size, read_to, head_hash, mtime_ns, state from source_file
where (user_no, source, path) in (values {values})

-- files_by_identity --
-- By way of the paths, which the index has: asked for at once, every file of the source is gone through.
select path, device, inode, size, read_to, head_hash, mtime_ns, state from source_file
where (user_no, source, path) in (select user_no, source, path from source_file
    where (user_no, source, device, inode) in (values {values}))

-- scope_user --
session.user_no = :user_no

-- scope_users --
session.user_no in (select value from json_each(cast(:users as text)))

-- scope_all --
session.user_no > 0

-- status_one --
session.status = :low

-- no_filters --
1 = 1

-- filters --
-- Every filter beside user, status and time; a filter that is not asked for is null.
(cast(:slices as text) is null or session.slice_no in (select value from json_each(cast(:slices as text))))
    and (cast(:channel as text) is null
        or exists (select 1 from session_info i where i.user_no = session.user_no and i.session_no = session.session_no
            and i.channel = :channel))
    and (cast(:tag as text) is null
        or exists (select 1 from session_info i, json_each(i.tags) t where i.user_no = session.user_no
            and i.session_no = session.session_no and t.value = :tag))
    and (cast(:model_no as bigint) is null
        or exists (select 1 from model_usage m where m.user_no = session.user_no and m.session_no = session.session_no
            and m.model_no = :model_no))
    and (cast(:text as text) is null or session.session_id {like} :text escape '\'
        or exists (select 1 from session_info i where i.user_no = session.user_no and i.session_no = session.session_no
            and (i.title {like} :text escape '\' or i.goal_text {like} :text escape '\')))

-- after_none --
1 = 1

-- after_desc --
({sort}, session.user_no, session.session_no) < (:after_value, :after_user, :after_session)

-- after_asc --
({sort}, session.user_no, session.session_no) > (:after_value, :after_user, :after_session)

-- desc --
desc

-- asc --
asc

-- last_activity_at_desc --
session.last_activity_at

-- last_activity_at_asc --
session.last_activity_at

-- started_at_desc --
session.started_at

-- started_at_asc --
session.started_at

-- ended_at_desc --
coalesce(session.ended_at, -1)

-- ended_at_asc --
coalesce(session.ended_at, 4611686018427387904)

-- effective_status_desc --
case when session.status = 0 and session.last_activity_at >= :cutoff then 6 when session.status = 2 then 5
    when session.status = 4 then 4 when session.status = 0 then 3 when session.status = 3 then 2 else 1 end
    * 288230376151711744 + session.last_activity_at

-- effective_status_asc --
case when session.status = 0 and session.last_activity_at >= :cutoff then 6 when session.status = 2 then 5
    when session.status = 4 then 4 when session.status = 0 then 3 when session.status = 3 then 2 else 1 end
    * 288230376151711744 + session.last_activity_at

-- cost_usd_desc --
case when session.unpriced > 0 and session.unpriced >= session.calls and session.cost = 0 then -1 else session.cost end

-- cost_usd_asc --
case when session.unpriced > 0 and session.unpriced >= session.calls and session.cost = 0 then 4611686018427387904
    else session.cost end

-- tokens_in_desc --
session.tokens_in

-- tokens_in_asc --
session.tokens_in

-- tokens_out_desc --
session.tokens_out

-- tokens_out_asc --
session.tokens_out

-- calls_desc --
session.calls

-- calls_asc --
session.calls

-- error_count_desc --
(session.call_errors + session.step_errors)

-- error_count_asc --
(session.call_errors + session.step_errors)

-- agent_time_s_desc --
session.agent_time

-- agent_time_s_asc --
session.agent_time

-- along_index --
session.last_activity_at >= :since and session.last_activity_at < :until

-- along_table --
-- The pluses keep the index of activity out of it: sessions that lie side by side are read ten times as fast.
+session.last_activity_at >= :since and +session.last_activity_at < :until

-- status_along_table --
+session.status between :low and :high

-- all_keys --
-- The keys of all that fit, in no order.
select {sort} as sort_value, session.user_no, session.session_no from session
where {scope} and +session.status between :low and :high and +session.last_activity_at >= :since
    and +session.last_activity_at < :until and {filters}
limit :most

-- list_keys --
-- The keys of a page, in order.
select {sort} as sort_value, session.user_no, session.session_no from session
where {scope} and {statuses} and {range} and {filters} and {after}
order by sort_value {direction}, session.user_no {direction}, session.session_no {direction}
limit :most

-- count_keys --
-- How many sessions a list has, counted up to a limit.
select count(*) from (
    select 1 from session
    where {scope} and {statuses} and session.last_activity_at >= :since and session.last_activity_at < :until
        and {filters}
    limit :most
) as counted

-- shown --
-- Everything that is shown of sessions.
select session.user_no, session.session_no, session.session_id, account.user_id, slice.dataset_id, session.status,
    session.started_at, session.last_activity_at, session.ended_at, session.tokens_in, session.tokens_out, session.cost,
    session.call_errors, session.step_errors, model.name, slice.kind, session_info.channel, slice.agent, slice.project,
    session_info.title, session_info.goal_text, session_info.parent_id, parent.user_id, session.life, session.attempt,
    session.turns, session.calls, session.unpriced, session.late_calls, session.cache_read, session.cache_write,
    session.reasoning, session.agent_time, session.flags, session_info.tags, session_info.metadata, session_info.actor
from session
join account on account.user_no = session.user_no
join slice on slice.slice_no = session.slice_no
left join model on model.model_no = session.last_model_no
left join session_info on session_info.user_no = session.user_no and session_info.session_no = session.session_no
left join account parent on parent.user_no = session_info.parent_user_no
where (session.user_no, session.session_no) in (values {values})

-- key_of_user --
select user_no, session_no from session
where user_no = :user_no and session_id = :session_id and status <> 5

-- key_of_anybody --
-- The reader's own session of that id first, then the one that was last active.
select user_no, session_no from session
where session_id = :session_id and status <> 5
order by (user_no = :user_no) desc, last_activity_at desc, user_no
limit 1

-- sessions_named --
-- Sessions by user and id, deleted ones too.
select user_no, session_no, session_id, slice_no, status, last_activity_at from session
where (user_no, session_id) in (values {values})

-- children_of --
select session.user_no, session.session_no, session.slice_no from session_info
join session on session.user_no = session_info.user_no and session.session_no = session_info.session_no
where session_info.parent_user_no = :user_no and session_info.parent_id = :session_id and session.status <> 5
order by session.started_at, session.user_no, session.session_no

-- below_of_all --
1 = 1

-- below_of_user --
session.user_no = tree.user_no

-- inclusive_of --
-- A session and what is below it: everything, or what is of the same user.
with recursive tree (user_no, session_no, session_id) as (
    select user_no, session_no, session_id from session where user_no = :user_no and session_no = :session_no
    union
    select session.user_no, session.session_no, session.session_id from tree
    join session_info on session_info.parent_user_no = tree.user_no and session_info.parent_id = tree.session_id
    join session on session.user_no = session_info.user_no and session.session_no = session_info.session_no
        and session.status <> 5 and {below}
)
select count(*), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), sum(unpriced)
from tree join session on session.user_no = tree.user_no and session.session_no = tree.session_no

-- slices_like --
-- The slices of a user that fit; null fits all.
select slice_no from slice
where (cast(:user_no as bigint) is null and user_no > 0 or user_no = :user_no) and deleted = 0
    and (cast(:dataset_id as text) is null or dataset_id = :dataset_id)
    and (cast(:agent as text) is null or agent = :agent)
    and (cast(:kind as text) is null or kind = :kind)
    and (cast(:project as text) is null or project = :project)

-- exact_name --
-- One of the two ways in which names are compared: as they are.
= :asked_value

-- like_pattern --
-- The other one: with gaps that may hold anything.
{like} :asked_value escape '\'

-- asked_number --
-- Conditions that a query is made of; each may stand several times, with numbers of its own.
{counted} {sign} :asked_value

-- asked_cost --
-- What is wholly unpriced costs neither more nor less than anything.
(session.unpriced = 0 or session.unpriced < session.calls or session.cost <> 0) and session.cost {sign} :asked_value

-- asked_ended --
session.ended_at is not null and session.ended_at {sign} :asked_value

-- asked_stretch --
{counted} >= :asked_value and {counted} < :asked_until

-- asked_ended_within --
session.ended_at is not null and session.ended_at >= :asked_value and session.ended_at < :asked_until

-- asked_unpriced --
session.unpriced > 0

-- asked_status --
-- R4, for several states at once: running and abandoned are told apart by the time.
cast(:asked_value as text) like '%,' || case when session.status <> 0 then cast(session.status as text)
    when session.last_activity_at < :asked_cutoff then 'silent' else '0' end || ',%'

-- asked_slices --
cast(:asked_value as text) like '%,' || cast(session.slice_no as text) || ',%'

-- asked_models --
exists (select 1 from model_usage m where m.user_no = session.user_no and m.session_no = session.session_no
    and cast(:asked_value as text) like '%,' || cast(m.model_no as text) || ',%')

-- asked_channel --
cast(:asked_value as text) like '%,' || coalesce((select i.channel from session_info i
    where i.user_no = session.user_no and i.session_no = session.session_no), 'none') || ',%'

-- asked_tag --
exists (select 1 from session_info i, json_each(i.tags) t where i.user_no = session.user_no
    and i.session_no = session.session_no and t.value {match})

-- asked_no_tag --
not exists (select 1 from session_info i where i.user_no = session.user_no and i.session_no = session.session_no
    and coalesce(i.tags, '[]') <> '[]')

-- asked_id --
session.session_id {match}

-- asked_title --
exists (select 1 from session_info i where i.user_no = session.user_no and i.session_no = session.session_no
    and i.title {match})

-- asked_no_title --
not exists (select 1 from session_info i where i.user_no = session.user_no and i.session_no = session.session_no
    and coalesce(i.title, '') <> '')

-- asked_text --
session.session_id {like} :asked_value escape '\'
    or exists (select 1 from session_info i where i.user_no = session.user_no and i.session_no = session.session_no
        and (i.title {like} :asked_value escape '\' or i.goal_text {like} :asked_value escape '\'))

-- asked_parent --
exists (select 1 from session_info i where i.user_no = session.user_no and i.session_no = session.session_no
    and i.parent_id {match} and {seen})

-- asked_any_parent --
exists (select 1 from session_info i where i.user_no = session.user_no and i.session_no = session.session_no
    and i.parent_id is not null and {seen})

-- all_seen --
1 = 1

-- parent_seen --
-- R6: a session above is of a user of whom everything is seen, or in a slice that is.
(cast(:asked_users as text) like '%,' || cast(i.parent_user_no as text) || ',%'
    or exists (select 1 from session p where p.user_no = i.parent_user_no and p.session_id = i.parent_id
        and cast(:asked_seen as text) like '%,' || cast(p.slice_no as text) || ',%'))

-- sign_over --
>

-- sign_from --
>=

-- sign_under --
<

-- sign_upto --
<=

-- sign_is --
=

-- counted_tokens_in --
session.tokens_in

-- counted_tokens_out --
session.tokens_out

-- counted_calls --
session.calls

-- counted_errors --
(session.call_errors + session.step_errors)

-- counted_turns --
session.turns

-- counted_late --
session.late_calls

-- counted_attempt --
session.attempt

-- counted_duration --
session.agent_time

-- counted_started --
session.started_at

-- counted_active --
session.last_activity_at

-- slices_named --
-- What is kept apart of a user, or of everybody, by its names.
select slice.slice_no, slice.user_no, account.user_id, account.name, slice.dataset_id, slice.agent, slice.kind,
    slice.project
from slice join account on account.user_no = slice.user_no
where (cast(:user_no as bigint) is null or slice.user_no = :user_no) and slice.deleted = 0

-- users_called --
select user_id from account where name = :name or user_id = :user_id

-- model_names --
select model_no, name from model

-- every_slice --
1 = 1

-- these_slices --
slice_no in (select value from json_each(cast(:slices as text)))

-- activity_sums --
-- Activity by stored status over whole hours.
select status, sum(sessions), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), sum(unpriced), sum(errors),
    sum(agent_time)
from activity where {whose} and hour >= :first and hour <= :last and {slices} group by status

-- activity_edge --
-- The same over a part of an hour, from the sessions themselves.
select status, count(*), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), sum(unpriced),
    sum(call_errors + step_errors), sum(agent_time)
from session
where {scope} and status in (0, 1, 2, 3, 4) and last_activity_at >= :since and last_activity_at < :until and {slices}
group by status

-- running_hours --
-- Running sessions last active in whole hours from one until before another.
select coalesce(sum(sessions), 0) from activity
where {whose} and hour >= :first and hour < :end and status = 0 and {slices}

-- running_edge --
select count(*) from session
where {scope} and status = 0 and last_activity_at >= :since and last_activity_at < :until and {slices}

-- model_sums --
select model.name, sum(sessions), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), sum(unpriced)
from activity_model left join model on model.model_no = activity_model.model_no
where {whose} and hour >= :first and hour <= :last group by activity_model.model_no, model.name

-- model_edge --
select model.name, count(*), sum(model_usage.calls), sum(model_usage.tokens_in), sum(model_usage.tokens_out),
    sum(model_usage.cost), sum(model_usage.unpriced)
from session
cross join model_usage
left join model on model.model_no = model_usage.model_no
where model_usage.user_no = session.user_no and model_usage.session_no = session.session_no
    and {scope} and session.status in (0, 1, 2, 3, 4) and session.last_activity_at >= :since
    and session.last_activity_at < :until and {slices}
group by model_usage.model_no, model.name

-- agents_sums --
-- Activity by user and agent over whole hours.
select account.user_id, account.name, slice.driver, sum(part.sessions), sum(part.calls), sum(part.tokens_in),
    sum(part.tokens_out), sum(part.cost), sum(part.unpriced)
from (
    select user_no, slice_no, sum(sessions) as sessions, sum(calls) as calls, sum(tokens_in) as tokens_in,
        sum(tokens_out) as tokens_out, sum(cost) as cost, sum(unpriced) as unpriced
    from activity where {whose} and hour >= :first and hour <= :last and {slices} group by user_no, slice_no
) part
join slice on slice.slice_no = part.slice_no join account on account.user_no = part.user_no
group by account.user_id, account.name, slice.driver

-- agents_edge --
-- The same over a part of an hour, from the sessions themselves. (By status too, which makes SQLite take the index.)
select account.user_id, account.name, slice.driver, sum(part.sessions), sum(part.calls), sum(part.tokens_in),
    sum(part.tokens_out), sum(part.cost), sum(part.unpriced)
from (
    select user_no, slice_no, count(*) as sessions, sum(calls) as calls, sum(tokens_in) as tokens_in,
        sum(tokens_out) as tokens_out, sum(cost) as cost, sum(unpriced) as unpriced
    from session
    where {scope} and status in (0, 1, 2, 3, 4) and last_activity_at >= :since and last_activity_at < :until and {slices}
    group by status, user_no, slice_no
) part
join slice on slice.slice_no = part.slice_no join account on account.user_no = part.user_no
group by account.user_id, account.name, slice.driver

-- spend_by_model --
select coalesce(model.name, 'unknown'), slice.deleted, sum(spend.calls), sum(spend.tokens_in), sum(spend.tokens_out),
    sum(spend.cost), sum(spend.unpriced), sum(spend.late_calls), sum(spend.late_cost)
from (select * from spend where {whose} and quarter >= :first and quarter <= :last and {slices}) spend
join slice on slice.slice_no = spend.slice_no
left join model on model.model_no = spend.model_no
group by spend.model_no, model.name, slice.deleted

-- spend_by_slice --
select {name} as line, slice.deleted, sum(spend.calls), sum(spend.tokens_in), sum(spend.tokens_out), sum(spend.cost),
    sum(spend.unpriced), sum(spend.late_calls), sum(spend.late_cost)
from (select * from spend where {whose} and quarter >= :first and quarter <= :last and {slices}) spend
join slice on slice.slice_no = spend.slice_no
group by line, slice.deleted

-- spend_by_time --
-- By the quarter hours, hours or days of which sums are kept.
select spend.quarter, {name} as line, slice.deleted, sum(spend.calls), sum(spend.tokens_in), sum(spend.tokens_out),
    sum(spend.cost), sum(spend.unpriced), sum(spend.late_calls), sum(spend.late_cost)
from (select * from spend where {whose} and quarter >= :first and quarter <= :last and {slices}) spend
join slice on slice.slice_no = spend.slice_no
left join model on model.model_no = spend.model_no
group by spend.quarter, line, slice.deleted

-- spend_by_stretch --
-- By stretches of quarter hours, all of one length.
select (spend.quarter - :first) / :width as stretch, {name} as line, slice.deleted, sum(spend.calls),
    sum(spend.tokens_in), sum(spend.tokens_out), sum(spend.cost), sum(spend.unpriced), sum(spend.late_calls),
    sum(spend.late_cost)
from (select * from spend where {whose} and quarter >= :first and quarter <= :last and {slices}) spend
join slice on slice.slice_no = spend.slice_no
left join model on model.model_no = spend.model_no
group by stretch, line, slice.deleted

-- spend_in_stretches --
-- Everybody's, of stretches of what is kept, by the first in each.
with stretch (low, high) as (values {values})
select stretch.low, coalesce(model.name, 'unknown') as line,
    case when slice.agent = '' then '(none)' else slice.agent end as agent, slice.deleted, sum(spend.calls),
    sum(spend.tokens_in), sum(spend.tokens_out), sum(spend.cost), sum(spend.unpriced), sum(spend.late_calls),
    sum(spend.late_cost)
from stretch
cross join spend
join slice on slice.slice_no = spend.slice_no
left join model on model.model_no = spend.model_no
where spend.user_no = 0 and spend.quarter >= stretch.low and spend.quarter <= stretch.high
group by stretch.low, line, slice.agent, slice.deleted

-- spend_ends --
-- The first and the last quarter hour of everybody's spend.
select (select min(quarter) from spend where user_no = 0 and quarter >= 0),
    (select max(quarter) from spend where user_no = 0)

-- spend_of_others --
-- Whether anybody spent but a user.
select (select min(user_no) from spend where user_no > 0) < :user_no
    or (select max(user_no) from spend where user_no > 0) > :user_no

-- spend_agent --
case when slice.agent = '' then '(none)' else slice.agent end

-- spend_project --
case when slice.project = '' then '(none)' else slice.project end

-- spend_kind --
slice.kind

-- spend_user --
(select user_id from account where account.user_no = spend.user_no)

-- spend_model --
coalesce(model.name, 'unknown')

-- spend_whole --
'all'

-- whose_user --
user_no = :user_no

-- whose_users --
user_no in (select value from json_each(cast(:users as text)))

-- whose_all --
user_no in (select user_no from account)

-- usage_of --
-- The ledger rows of a session, with names.
select ledger.usage_id, ledger.entry, model.name, provider.name, ledger.occurred_at, ledger.recorded_at, ledger.calls,
    ledger.input, ledger.cache_read, ledger.cache_write, ledger.cache_write_1h, ledger.output, ledger.reasoning,
    ledger.audio_in, ledger.audio_out, ledger.cost, ledger.cost_source, price.name, ledger.billing, ledger.tier, source.name,
    ledger.evidence, ledger.errored, ledger.late
from ledger
left join model on model.model_no = ledger.model_no
left join label provider on provider.label_no = ledger.provider_no
left join label price on price.label_no = ledger.price_no
left join label source on source.label_no = ledger.source_no
where ledger.user_no = :user_no and ledger.session_no = :session_no
order by ledger.occurred_at, ledger.row_no limit :most

-- ledger_step --
-- Where a step over the ledger ends that looks at so many rows; none if the ledger ends before.
select user_no, session_no, row_no from ledger
where (user_no, session_no, row_no) > (:first_user, :first_session, :first_row)
    and (user_no, session_no, row_no) <= (:last_user, :last_session, :last_row)
order by user_no, session_no, row_no limit 1 offset :passed

-- ledger_between --
-- The ledger rows of such a step, with names; a deleted session's is hidden. Rows recorded since the first step began
-- are left out, but for those of a clock that was ahead.
select ledger.usage_id, case when session.status = 5 then '' else session.session_id end, account.user_id, ledger.entry,
    model.name, provider.name, ledger.occurred_at, ledger.recorded_at, ledger.calls, ledger.input, ledger.cache_read,
    ledger.cache_write, ledger.cache_write_1h, ledger.output, ledger.reasoning, ledger.audio_in, ledger.audio_out,
    ledger.cost, ledger.cost_source, price.name, ledger.billing, ledger.tier, source.name, ledger.evidence, ledger.errored,
    ledger.late
from ledger
cross join session
left join account on account.user_no = ledger.user_no
left join model on model.model_no = ledger.model_no
left join label provider on provider.label_no = ledger.provider_no
left join label price on price.label_no = ledger.price_no
left join label source on source.label_no = ledger.source_no
where session.user_no = ledger.user_no and session.session_no = ledger.session_no
    and (ledger.user_no, ledger.session_no, ledger.row_no) > (:first_user, :first_session, :first_row)
    and (ledger.user_no, ledger.session_no, ledger.row_no) <= (:last_user, :last_session, :last_row)
    and not (ledger.recorded_at > :began and ledger.recorded_at <= :now)
    and ledger.occurred_at >= :since and ledger.occurred_at < :until
    and (cast(:row_model_no as bigint) is null or ledger.model_no = :row_model_no)
    and {sessions}
order by ledger.user_no, ledger.session_no, ledger.row_no

-- count_between --
-- How many ledger rows there are for ledger_between to find where nothing more is asked.
select count(*) from ledger
where (user_no, session_no, row_no) > (:first_user, :first_session, :first_row)
    and (user_no, session_no, row_no) <= (:last_user, :last_session, :last_row)
    and not (recorded_at > :began and recorded_at <= :now)

-- missing_between --
-- Sessions whose ledger rows are not as many as were written, of those that begin behind such a step's first key and
-- end before its last.
select slice_no, session_id from session
where (user_no, session_no) >= (:first_user, :first_session) and (user_no, session_no) < (:last_user, :last_session)
    and ledger_rows - pruned_rows <> (
        select count(*) from ledger where ledger.user_no = session.user_no and ledger.session_no = session.session_no
    )

-- standing_between --
-- Of the ledger rows of such a step those that stand for a call whose cost nobody reported, with names. Left out are rows
-- that a session has got since its first step.
select account.user_id, session.session_id, model.name, provider.name, ledger.user_no, ledger.session_no,
    ledger.row_no, ledger.entry, ledger.model_no, ledger.provider_no, ledger.occurred_at, ledger.recorded_at, ledger.calls,
    ledger.input, ledger.cache_read, ledger.cache_write, ledger.cache_write_1h, ledger.output, ledger.reasoning,
    ledger.audio_in, ledger.audio_out, ledger.cost, ledger.unpriced, ledger.cost_source, ledger.price_no, ledger.billing,
    ledger.tier, ledger.source_no, ledger.evidence, ledger.weight, ledger.errored, ledger.late, ledger.usage_id
from ledger
cross join usage_key
cross join session
cross join account
cross join slice
left join model on model.model_no = ledger.model_no
left join label provider on provider.label_no = ledger.provider_no
where (ledger.user_no, ledger.session_no, ledger.row_no) > (:first_user, :first_session, :first_row)
    and (ledger.user_no, ledger.session_no, ledger.row_no) <= (:last_user, :last_session, :last_row)
    and not (ledger.user_no = :held_user and ledger.session_no = :held_session and ledger.row_no >= :held_rows)
    and ledger.entry in (0, 2) and ledger.cost_source <> 2 and ledger.unpriced >= :unpriced
    and ledger.occurred_at >= :since and ledger.occurred_at < :until
    and (cast(:model as text) is null or model.name = :model)
    and (cast(:agent as text) is null or slice.agent = :agent)
    and usage_key.usage_key = ledger.usage_id and usage_key.user_no = ledger.user_no and usage_key.alias_of is null
    and usage_key.session_no = ledger.session_no and usage_key.row_no = ledger.row_no
    and session.user_no = ledger.user_no and session.session_no = ledger.session_no
    and account.user_no = ledger.user_no and slice.slice_no = session.slice_no
order by ledger.user_no, ledger.session_no, ledger.row_no

-- rows_made --
-- How many ledger rows a session has been given.
select ledger_rows from session where user_no = :user_no and session_no = :session_no

-- session_step --
-- Where a step over the sessions ends.
select user_no, session_no from session
where (user_no, session_no) > (:first_user, :first_session) and (user_no, session_no) <= (:last_user, :last_session)
order by user_no, session_no limit 1 offset :passed

-- sessions_between --
-- The keys of the sessions of such a step that are asked for.
select session.user_no, session.session_no from session
where (session.user_no, session.session_no) > (:first_user, :first_session)
    and (session.user_no, session.session_no) <= (:last_user, :last_session)
    and {sessions}
order by session.user_no, session.session_no

-- sessions_asked --
session.status between :low and :high and session.last_activity_at >= :active_from
    and session.last_activity_at < :active_until and {filters}

-- every_session --
-- All stored sessions, in the order of their keys.
select user_no, session_no, session_id, status, slice_no, started_at, last_activity_at, ended_at, last_sign, attempt,
    attempt_started_at, agent_time, turns, calls, tokens_in, tokens_out, cache_read, cache_write, reasoning, cost,
    unpriced, call_errors, step_errors, late_calls, late_rows, ledger_rows, last_model_no, last_model_at, flags, life,
    pruned_rows, version
from session order by user_no, session_no

-- every_ledger_row --
select user_no, session_no, row_no, entry, model_no, provider_no, occurred_at, recorded_at, calls, input, cache_read,
    cache_write, cache_write_1h, output, reasoning, audio_in, audio_out, cost, unpriced, cost_source, price_no, billing,
    tier, source_no, evidence, weight, errored, late, usage_id
from ledger order by user_no, session_no, row_no

-- every_model_row --
select user_no, session_no, model_no, calls, tokens_in, tokens_out, cache_read, cache_write, reasoning, cost, unpriced,
    call_errors
from model_usage order by user_no, session_no, model_no

-- every_spend --
select user_no, quarter, slice_no, model_no, calls, tokens_in, tokens_out, cost, unpriced, late_calls, late_cost from spend

-- every_activity --
select user_no, hour, status, slice_no, sessions, calls, tokens_in, tokens_out, cost, unpriced, errors, agent_time
from activity

-- every_activity_model --
select user_no, hour, model_no, sessions, calls, tokens_in, tokens_out, cost, unpriced from activity_model

-- every_wrong_key --
-- Names of calls that point at no row, or at another call's. Of what was retracted no row stands.
select usage_key.usage_key, ledger.usage_id from usage_key
left join ledger on ledger.user_no = usage_key.user_no and ledger.session_no = usage_key.session_no
    and ledger.row_no = usage_key.row_no
where usage_key.alias_of is null and not (usage_key.session_no = 0 and usage_key.row_no = 0)
    and (ledger.usage_id is null or ledger.usage_id <> usage_key.usage_key)

-- every_lost_row --
-- Calls without a name: nothing would recognise them when they are reported again. One that was reversed needs none, and
-- one that was retracted must be reversed.
select ledger.usage_id from ledger
left join usage_key on usage_key.usage_key = ledger.usage_id and usage_key.user_no = ledger.user_no
where ledger.entry in (0, 1, 2) and (usage_key.usage_key is null
    or usage_key.alias_of is null and usage_key.session_no = 0 and usage_key.row_no = 0)
group by ledger.user_no, ledger.usage_id having sum(ledger.calls) > 0

-- count_lost_aliases --
-- Other names of calls that lead to no name.
select count(*) from usage_key alias
left join usage_key first on first.usage_key = alias.alias_of and first.user_no = alias.user_no
where alias.alias_of is not null and first.usage_key is null

-- count_unpriced --
-- Calls without a price, of everybody.
select coalesce(sum(unpriced), 0) from spend where user_no = 0 and quarter <= -1000000000

-- unpriced_by_model --
-- Those of them that stand as themselves, so that they can be given one, the most first.
select model.name, count(*) as missing
from ledger
cross join usage_key
left join model on model.model_no = ledger.model_no
where ledger.entry in (0, 2) and ledger.cost_source <> 2 and ledger.unpriced > 0
    and usage_key.usage_key = ledger.usage_id and usage_key.user_no = ledger.user_no and usage_key.alias_of is null
    and usage_key.session_no = ledger.session_no and usage_key.row_no = ledger.row_no
group by ledger.model_no, model.name order by missing desc, ledger.model_no

-- every_source_path --
select path from source_file

-- silent_sessions --
-- Running sessions without a sign since a time.
select count(*), min(last_activity_at) from session where status = 0 and last_activity_at < :before

-- count_clock_flagged --
select count(*) from session where (flags & 1) <> 0 and status <> 5

-- count_elsewhere --
select count(*) from session where (flags & 2) <> 0 and status <> 5
