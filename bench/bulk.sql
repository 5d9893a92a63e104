-- A book of :sessions sessions over :users users and :span seconds, loaded at once. Amounts, times and states come from hashes of a
-- session's number n, so that the same numbers give the same book. {h1}, {h2} ... are such hashes, 0 to 2^31.
-- User 1 owns 12 of 100 sessions; the others are spread over the rest. Each session has three models, and each of
-- those one call in the ledger, under a key. The kept sums are computed from the rows at the end.

-- names --
insert into model (model_no, name) select n, 'model-' || n from temp.number where n between 1 and 12;
insert into label (label_no, name) values (1, 'push'), (2, 'provider');
insert into slice (slice_no, user_no, dataset_id, agent, kind, project, deleted, driver)
    select (account.user_no - 1) * 4 + number.n + 1, account.user_no, '',
        case number.n % 2 when 0 then 'claude-code' else 'codex' end, 'interactive', '/home/dev/project-' || (number.n / 2), 0,
        case number.n % 2 when 0 then 'claude-code' else 'codex' end
    from account join temp.number on number.n < 4 order by 1;

-- made --
create temp table made as
select n, user_no, row_number() over (partition by user_no order by last_at - lasting, n) as session_no,
    (user_no - 1) * 4 + {h6} % 4 + 1 as slice_no, last_at - lasting as started_at, last_at,
    case when last_at > :now - 1800000000 and {h5} % 100 < 60 then 0
        when {h5} % 100 < 12 then 0 when {h5} % 100 < 80 then 1 when {h5} % 100 < 90 then 2 when {h5} % 100 < 96 then 3
        else 4 end as status,
    {h20} % 12 as first_model
from (
    select n, case when {h0} % 100 < 12 then 1 else 2 + {h7} % (:users - 1) end as user_no,
        :now - ({h1} % :span) * 1000000 - {h2} % 1000000 as last_at,
        (10 + {h3} % 600 * (1 + {h4} % 12)) * 1000000 as lasting
    from (
        with recursive counter (n) as (select 1 union all select n + 1 from counter where n < :sessions)
        select n from counter
    )
)
order by user_no, session_no;

-- used --
-- One row for each model of a session, in the order of the keys.
create temp table used as
select made.user_no, made.session_no, number.n as row_no, made.n as n, made.slice_no, (made.first_model + number.n * 4) % 12 + 1 as model_no,
    made.started_at + (made.last_at - made.started_at) / 2 * number.n
        + case number.n when 2 then (made.last_at - made.started_at) % 2 else 0 end as occurred_at,
    50 + {h8} % 20000 as tokens_in, 1 + {h9} % 2000 as tokens_out, {h10} % 9000000 as cost
from made join temp.number on number.n < 3
order by made.user_no, made.session_no, number.n;

-- session --
insert into session (user_no, session_no, session_id, status, slice_no, started_at, last_activity_at, ended_at, last_sign,
    attempt, attempt_started_at, agent_time, turns, calls, tokens_in, tokens_out, cache_read, cache_write, reasoning, cost,
    unpriced, call_errors, step_errors, late_calls, late_rows, ledger_rows, last_model_no, last_model_at, flags, life)
select made.user_no, made.session_no,
    printf('%08x-%04x-4%03x-8%03x-%012x', {h11} * 2 + {h12} % 2, {h13} % 65536, {h14} % 4096, {h15} % 4096, n),
    status, slice_no, started_at, last_at, case when status in (1, 2, 3) then last_at end, last_at, 1, started_at,
    last_at - started_at, 1 + {h16} % 40, 3, tokens_in, tokens_out, 0, 0, 0, cost, 0, 0, 0, 0, 0, 3,
    (first_model + 8) % 12 + 1, last_at, 0,
    case status when 0 then '' when 4 then printf('[[%d,2,4,"","reconcile"]]', last_at)
        else printf('[[%d,0,%d,"","client"]]', last_at, status) end
from made cross join (
    select user_no, session_no, sum(tokens_in) as tokens_in, sum(tokens_out) as tokens_out, sum(cost) as cost
    from used group by user_no, session_no
) as total on total.user_no = made.user_no and total.session_no = made.session_no
order by made.user_no, made.session_no;

-- session_info --
insert into session_info (user_no, session_no, channel, title, facts)
select user_no, session_no, 'cli', 'Session number ' || n,
    printf('{"channel":[%d,"cli"],"agent":[%d,"%s"],"project":[%d,"%s"],"title":[%d,"Session number %d"]}', started_at,
        started_at, slice.agent, started_at, slice.project, started_at, n)
from made join slice using (slice_no, user_no) order by user_no, session_no;

-- model_usage --
insert into model_usage (user_no, session_no, model_no, calls, tokens_in, tokens_out, cache_read, cache_write, reasoning,
    cost, unpriced, call_errors)
select user_no, session_no, model_no, 1, tokens_in, tokens_out, 0, 0, 0, cost, 0, 0 from used
order by user_no, session_no, model_no;

-- ledger --
insert into ledger (user_no, session_no, row_no, entry, model_no, provider_no, occurred_at, recorded_at, calls, input,
    cache_read, cache_write, cache_write_1h, output, reasoning, audio_in, audio_out, cost, unpriced, cost_source, price_no,
    billing, tier, source_no, evidence, weight, errored, late, usage_id)
select user_no, session_no, row_no, 0, model_no, 2, occurred_at, occurred_at, 1, tokens_in, 0, 0, 0, tokens_out, 0, 0, 0,
    cost, 0, 2, 0, 0, 0, 1, 35, 0, 0, 0, {key}
from used;

-- usage_key --
insert into usage_key (usage_key, user_no, session_no, row_no)
select usage_id, user_no, session_no, row_no from ledger order by usage_id, user_no;

-- spend --
insert into spend
select user_no, occurred_at / 900000000, slice_no, model_no, count(*), sum(tokens_in), sum(tokens_out), sum(cost), 0, 0, 0
from used group by 1, 2, 3, 4;
insert into slice (user_no, dataset_id, agent, kind, project, deleted, driver)
select distinct 0, '', agent, kind, '', deleted, '' from slice;
insert into spend
select 0, spend.quarter, everybodys.slice_no, spend.model_no, sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), 0, 0, 0
from spend join slice own on own.slice_no = spend.slice_no
join slice everybodys on everybodys.user_no = 0 and everybodys.agent = own.agent and everybodys.kind = own.kind
where spend.user_no > 0 group by 2, 3, 4;
insert into spend
select 0, -1 - quarter / 4, slice_no, model_no, sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), 0, 0, 0
from spend where user_no = 0 group by 2, 3, 4;
insert into spend
select 0, -1000000000 - quarter / 96, slice_no, model_no, sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), 0, 0, 0
from spend where user_no = 0 and quarter >= 0 group by 2, 3, 4;

-- activity --
insert into activity
select user_no, last_activity_at / 3600000000, status, slice_no, count(*), sum(calls), sum(tokens_in), sum(tokens_out),
    sum(cost), 0, 0, sum(agent_time)
from session group by 1, 2, 3, 4;
insert into activity
select user_no, -1, status, slice_no, sum(sessions), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), 0, 0,
    sum(agent_time)
from activity group by user_no, status, slice_no;
insert into activity
select 0, hour, status, 0, sum(sessions), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), 0, 0, sum(agent_time)
from activity where user_no > 0 group by hour, status;

-- activity_model --
insert into activity
select 0, -2 - last_activity_at / 900000000, status, 0, count(*), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), 0,
    0, sum(agent_time)
from session group by 2, 3;
insert into activity_model
select used.user_no, made.last_at / 3600000000, used.model_no, count(*), count(*), sum(tokens_in), sum(tokens_out),
    sum(cost), 0
from made cross join used on used.user_no = made.user_no and used.session_no = made.session_no group by 1, 2, 3;
insert into activity_model
select user_no, -1, model_no, sum(sessions), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), 0
from activity_model group by user_no, model_no;
insert into activity_model
select 0, hour, model_no, sum(sessions), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), 0
from activity_model where user_no > 0 group by hour, model_no;
insert into activity_model
select 0, -2 - made.last_at / 900000000, used.model_no, count(*), count(*), sum(tokens_in), sum(tokens_out), sum(cost), 0
from made cross join used on used.user_no = made.user_no and used.session_no = made.session_no group by 2, 3;
