-- A program of its own that meters calls on PostgreSQL: tables and indexes of the same shape as a book's, and one
-- statement a call. Sums that everybody adds to are kept apart by writer, so that no two callers wait for one another.

-- tables --
create table model (model_no bigint primary key, name text not null unique);
create table session (
    user_no bigint not null, session_no bigint not null, session_id text not null, status smallint not null,
    slice_no bigint not null, started_at bigint not null, last_activity_at bigint not null, ended_at bigint,
    last_sign bigint not null, attempt bigint not null, attempt_started_at bigint not null, agent_time bigint not null,
    turns bigint not null, calls bigint not null, tokens_in bigint not null, tokens_out bigint not null,
    cache_read bigint not null, cache_write bigint not null, reasoning bigint not null, cost bigint not null,
    unpriced bigint not null, call_errors bigint not null, step_errors bigint not null, late_calls bigint not null,
    late_rows bigint not null, ledger_rows bigint not null, last_model_no bigint not null, last_model_at bigint not null,
    flags smallint not null, life text not null, version bigint not null, primary key (user_no, session_no)
);
create unique index session_by_id on session (user_no, session_id);
create index session_by_activity on session (user_no, status, last_activity_at, session_no);
create index session_by_activity_all on session (status, last_activity_at, user_no, session_no);
create table model_usage (
    user_no bigint not null, session_no bigint not null, model_no bigint not null, calls bigint not null,
    tokens_in bigint not null, tokens_out bigint not null, cache_read bigint not null, cache_write bigint not null,
    reasoning bigint not null, cost bigint not null, unpriced bigint not null, call_errors bigint not null,
    primary key (user_no, session_no, model_no)
);
create table ledger (
    user_no bigint not null, session_no bigint not null, row_no bigint not null, entry smallint not null,
    model_no bigint not null, provider_no bigint not null, occurred_at bigint not null, recorded_at bigint not null,
    calls bigint not null, input bigint not null, cache_read bigint not null, cache_write bigint not null,
    cache_write_1h bigint not null, output bigint not null, reasoning bigint not null, audio_in bigint not null,
    audio_out bigint not null, cost bigint, unpriced bigint not null, cost_source smallint not null,
    price_no bigint not null, billing smallint not null, tier smallint not null, source_no bigint not null,
    evidence smallint not null, weight bigint not null, errored smallint not null, late smallint not null,
    usage_id text not null, primary key (user_no, session_no, row_no)
);
create table usage_key (
    usage_key text not null, user_no bigint not null, alias_of text, session_no bigint not null, row_no bigint not null,
    primary key (user_no, usage_key)
);
create table spend (
    user_no bigint not null, quarter bigint not null, slice_no bigint not null, model_no bigint not null,
    calls bigint not null, tokens_in bigint not null, tokens_out bigint not null, cost bigint not null,
    slot smallint not null, primary key (user_no, quarter, slice_no, model_no, slot)
);
create table activity (
    user_no bigint not null, hour bigint not null, status smallint not null, slice_no bigint not null,
    sessions bigint not null, calls bigint not null, tokens_in bigint not null, tokens_out bigint not null,
    cost bigint not null, slot smallint not null, primary key (user_no, hour, status, slice_no, slot)
);
create table activity_model (
    user_no bigint not null, hour bigint not null, model_no bigint not null, sessions bigint not null,
    calls bigint not null, tokens_in bigint not null, tokens_out bigint not null, cost bigint not null,
    slot smallint not null, primary key (user_no, hour, model_no, slot)
);

-- fill --
insert into session
select 1, n, 'session-' || lpad((n - 1)::text, 8, '0'), 0, 1, %(at)s, %(at)s, null, %(at)s, 1, %(at)s, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 3, 1, %(at)s, 0, '', 0
from generate_series(1, %(sessions)s) as n;
insert into model_usage
select 1, n, model_no, 0, 0, 0, 0, 0, 0, 0, 0, 0 from generate_series(1, %(sessions)s) as n, model;
insert into ledger
select 1, n, model_no - 1, 0, model_no, 1, %(at)s, %(at)s, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 35, 0, 0, 0,
    '00000000-0000-7000-' || model_no || '000-' || lpad(n::text, 12, '0')
from generate_series(1, %(sessions)s) as n, model;
insert into usage_key select usage_id, user_no, null, session_no, row_no from ledger;

-- meter --
with hit as (
    update session set last_activity_at = greatest(last_activity_at, %(at)s), last_sign = greatest(last_sign, %(at)s),
        agent_time = greatest(last_activity_at, %(at)s) - started_at, calls = calls + 1,
        tokens_in = tokens_in + %(tokens_in)s, tokens_out = tokens_out + %(tokens_out)s, cost = cost + %(cost)s,
        ledger_rows = ledger_rows + 1, last_model_no = %(model)s, last_model_at = %(at)s, version = version + 1
    where user_no = 1 and session_id = %(session_id)s
    returning session_no, slice_no, ledger_rows - 1 as row_no
), put_row as (
    insert into ledger
    select 1, session_no, row_no, 0, %(model)s, 1, %(at)s, %(at)s, 1, %(tokens_in)s, 0, 0, 0, %(tokens_out)s, 0, 0, 0,
        %(cost)s, 0, 2, 0, 0, 0, 1, 35, 0, 0, 0, %(usage_id)s
    from hit
), put_key as (
    insert into usage_key select %(usage_id)s, 1, null, session_no, row_no from hit
), put_model as (
    update model_usage set calls = calls + 1, tokens_in = tokens_in + %(tokens_in)s,
        tokens_out = tokens_out + %(tokens_out)s, cost = cost + %(cost)s
    where user_no = 1 and session_no = (select session_no from hit) and model_no = %(model)s
), put_spend as (
    insert into spend as old
    select who, %(at)s / 900000000, slice, %(model)s, 1, %(tokens_in)s, %(tokens_out)s, %(cost)s, %(slot)s
    from hit cross join lateral (values (1, slice_no), (0, 0)) as both_of (who, slice)
    on conflict (user_no, quarter, slice_no, model_no, slot) do update set calls = old.calls + 1,
        tokens_in = old.tokens_in + excluded.tokens_in, tokens_out = old.tokens_out + excluded.tokens_out,
        cost = old.cost + excluded.cost
), put_activity as (
    insert into activity as old
    select who, at_hour, 0, slice, 0, 1, %(tokens_in)s, %(tokens_out)s, %(cost)s, %(slot)s
    from hit cross join lateral (
        values (1, slice_no, %(at)s / 3600000000), (1, slice_no, -1), (0, 0, %(at)s / 3600000000), (0, 0, -1),
            (0, 0, -2 - %(at)s / 900000000)
    ) as each_of (who, slice, at_hour)
    on conflict (user_no, hour, status, slice_no, slot) do update set calls = old.calls + 1,
        tokens_in = old.tokens_in + excluded.tokens_in, tokens_out = old.tokens_out + excluded.tokens_out,
        cost = old.cost + excluded.cost
), put_activity_model as (
    insert into activity_model as old
    select who, at_hour, %(model)s, 0, 1, %(tokens_in)s, %(tokens_out)s, %(cost)s, %(slot)s
    from hit cross join lateral (
        values (1, %(at)s / 3600000000), (1, -1), (0, %(at)s / 3600000000), (0, -1), (0, -2 - %(at)s / 900000000)
    ) as each_of (who, at_hour)
    on conflict (user_no, hour, model_no, slot) do update set calls = old.calls + 1,
        tokens_in = old.tokens_in + excluded.tokens_in, tokens_out = old.tokens_out + excluded.tokens_out,
        cost = old.cost + excluded.cost
)
select row_no from hit;
