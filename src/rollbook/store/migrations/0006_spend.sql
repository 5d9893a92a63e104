-- Everybody's spend by agent and kind, by the hour and the day; what drives a session, for sums by agent.

-- What sums are kept apart by, now with what drives a session: the agent that it names, or else the one of which its id
-- speaks, by the names that earlier stores knew.
alter table slice rename to told_slice;
create table slice (
    slice_no {identity},
    user_no bigint not null,
    dataset_id {text} not null,
    agent {text} not null,
    kind {text} not null,
    project {text} not null,
    deleted smallint not null,
    driver {text} not null,               -- 'unknown': neither says one, empty: of deleted sessions, and everybody's
    unique (user_no, dataset_id, agent, kind, project, deleted, driver)
);
insert into slice (slice_no, user_no, dataset_id, agent, kind, project, deleted, driver)
select slice_no, user_no, dataset_id, agent, kind, project, deleted,
    case when deleted = 1 then '' when agent = '' then 'unknown' else agent end
from told_slice;
drop table told_slice;
create index slice_by_dataset on slice (dataset_id) where dataset_id <> '';

create table driven as
select * from (
    select session.user_no, session.session_no, slice.slice_no, slice.dataset_id, slice.kind, slice.project,
        case when lower(session_id) like '%claude%' or substr(lower(session_id), 1, 3) = 'cc_' then 'claude-code'
            when lower(session_id) like '%codex%' then 'codex' when lower(session_id) like '%slack%' then 'slack'
            when lower(session_id) like '%mcp%' then 'mcp' else 'unknown' end as driver
    from session join slice on slice.slice_no = session.slice_no
    where slice.agent = '' and slice.deleted = 0
) told
where driver <> 'unknown';
insert into slice (slice_no, user_no, dataset_id, agent, kind, project, deleted, driver)
select (select max(slice_no) from slice) + row_number() over (order by user_no, dataset_id, kind, project, driver),
    user_no, dataset_id, '', kind, project, 0, driver
from (select distinct user_no, dataset_id, kind, project, driver from driven) told;
update session set slice_no = (
    select slice.slice_no from slice join driven on slice.user_no = driven.user_no
        and slice.dataset_id = driven.dataset_id and slice.agent = '' and slice.kind = driven.kind
        and slice.project = driven.project and slice.deleted = 0 and slice.driver = driven.driver
    where driven.user_no = session.user_no and driven.session_no = session.session_no)
where (user_no, session_no) in (select user_no, session_no from driven);
delete from activity where user_no > 0 and slice_no in (select slice_no from driven);
insert into activity (user_no, hour, status, slice_no, sessions, calls, tokens_in, tokens_out, cost, unpriced, errors,
    agent_time{and_slot})
select user_no, hour, status, slice_no, count(*), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), sum(unpriced),
    sum(call_errors + step_errors), sum(agent_time){no_slot}
from (
    select session.*, last_activity_at / 3600000000 as hour from session
    union all
    select session.*, -1 as hour from session
) told
where status <> 5 and (slice_no in (select slice_no from driven)
    or (user_no, session_no) in (select user_no, session_no from driven))
group by user_no, hour, status, slice_no;
delete from spend where user_no > 0 and slice_no in (select slice_no from driven);
insert into spend (user_no, quarter, slice_no, model_no, calls, tokens_in, tokens_out, cost, unpriced, late_calls,
    late_cost{and_slot})
select ledger.user_no, ledger.occurred_at / 900000000, session.slice_no, ledger.model_no, sum(ledger.calls),
    sum(ledger.input + ledger.cache_read + ledger.cache_write + ledger.cache_write_1h + ledger.audio_in),
    sum(ledger.output + ledger.reasoning + ledger.audio_out), sum(coalesce(ledger.cost, 0)), sum(ledger.unpriced),
    sum(ledger.late * ledger.calls), sum(ledger.late * coalesce(ledger.cost, 0)){no_slot}
from ledger
join session on session.user_no = ledger.user_no and session.session_no = ledger.session_no
where session.slice_no in (select slice_no from driven)
    or (ledger.user_no, ledger.session_no) in (select user_no, session_no from driven)
group by ledger.user_no, ledger.occurred_at / 900000000, session.slice_no, ledger.model_no;
drop table driven;

-- Everybody's spend is kept apart by agent and kind, in slices of user 0, and once more by the hour (-1 - hour) and the
-- day (-1000000000 - day).
insert into slice (slice_no, user_no, dataset_id, agent, kind, project, deleted, driver)
select (select max(slice_no) from slice) + row_number() over (order by agent, kind, deleted), 0, '', agent, kind, '',
    deleted, ''
from (select distinct agent, kind, deleted from slice) told;
delete from spend where user_no = 0;
insert into spend (user_no, quarter, slice_no, model_no, calls, tokens_in, tokens_out, cost, unpriced, late_calls,
    late_cost{and_slot})
select 0, spend.quarter, everybodys.slice_no, spend.model_no, sum(spend.calls), sum(spend.tokens_in),
    sum(spend.tokens_out), sum(spend.cost), sum(spend.unpriced), sum(spend.late_calls), sum(spend.late_cost){no_slot}
from spend
join slice own on own.slice_no = spend.slice_no
join slice everybodys on everybodys.user_no = 0 and everybodys.agent = own.agent and everybodys.kind = own.kind
    and everybodys.deleted = own.deleted
group by spend.quarter, everybodys.slice_no, spend.model_no;
insert into spend (user_no, quarter, slice_no, model_no, calls, tokens_in, tokens_out, cost, unpriced, late_calls,
    late_cost{and_slot})
select 0, -1 - quarter / 4, slice_no, model_no, sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), sum(unpriced),
    sum(late_calls), sum(late_cost){no_slot}
from spend where user_no = 0 and quarter >= 0 group by quarter / 4, slice_no, model_no;
insert into spend (user_no, quarter, slice_no, model_no, calls, tokens_in, tokens_out, cost, unpriced, late_calls,
    late_cost{and_slot})
select 0, -1000000000 - quarter / 96, slice_no, model_no, sum(calls), sum(tokens_in), sum(tokens_out), sum(cost),
    sum(unpriced), sum(late_calls), sum(late_cost){no_slot}
from spend where user_no = 0 and quarter >= 0 group by quarter / 96, slice_no, model_no;
