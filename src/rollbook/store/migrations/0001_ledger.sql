-- The ledger: who ran what, what it used, and the sums kept beside it.
-- Times are integer microseconds UTC, money is integer nano-dollars, names have numbers; every key starts with the user.

create table account (
    user_no {identity},
    user_id {text} not null unique,
    name {text}
);

create table model (
    model_no {identity},
    name {text} not null unique
);

-- Providers, doors and price versions.
create table label (
    label_no {identity},
    name {text} not null unique
);

-- What sums are kept apart by: the facts of a session that spend is asked for. Empty text is none.
create table slice (
    slice_no {identity},
    user_no bigint not null,
    dataset_id {text} not null,
    agent {text} not null,
    kind {text} not null,
    project {text} not null,
    deleted smallint not null,
    unique (user_no, dataset_id, agent, kind, project, deleted)
);

-- What changes with every call. status: 0 running, 1 completed, 2 failed, 3 cancelled, 4 unknown, 5 deleted.
create table session (
    user_no bigint not null,
    session_no bigint not null,
    session_id {text} not null,
    status smallint not null,
    slice_no bigint not null,
    started_at bigint not null,
    last_activity_at bigint not null,
    ended_at bigint,
    last_sign bigint not null,          -- the latest touch or call, even one after the end
    attempt bigint not null,
    attempt_started_at bigint not null,
    agent_time bigint not null,
    turns bigint not null,
    calls bigint not null,
    tokens_in bigint not null,
    tokens_out bigint not null,
    cache_read bigint not null,
    cache_write bigint not null,
    reasoning bigint not null,
    cost bigint not null,
    unpriced bigint not null,
    call_errors bigint not null,
    step_errors bigint not null,
    late_calls bigint not null,
    late_rows bigint not null,
    ledger_rows bigint not null,
    last_model_no bigint not null,
    last_model_at bigint not null,
    flags smallint not null,            -- 1: a time ahead of the clock was taken as now
    life {text} not null,                 -- ends, reopenings and marks as JSON; empty while there is none
    primary key (user_no, session_no)
) {clustered};
create unique index session_by_id on session ({session_key});
create index session_by_activity on session (user_no, status, last_activity_at, session_no);
create index session_by_activity_all on session (status, last_activity_at, user_no, session_no);

-- What is said of a session once and rarely changes.
create table session_info (
    user_no bigint not null,
    session_no bigint not null,
    channel {text},
    title {text},
    goal_text {text},
    metadata {text},
    tags {text},
    actor {text},
    parent_user_no bigint,
    parent_id {text},
    facts {text} not null,                -- each fact with the time at which it was said
    primary key (user_no, session_no)
) {clustered};
create index session_by_parent on session_info (parent_user_no, parent_id) where parent_id is not null;

create table model_usage (
    user_no bigint not null,
    session_no bigint not null,
    model_no bigint not null,
    calls bigint not null,
    tokens_in bigint not null,
    tokens_out bigint not null,
    cache_read bigint not null,
    cache_write bigint not null,
    reasoning bigint not null,
    cost bigint not null,
    unpriced bigint not null,
    call_errors bigint not null,
    primary key (user_no, session_no, model_no)
) {clustered};

-- Append only: calls, and corrections of them. Only `late` (does it count in its session?) and `evidence` may change.
create table ledger (
    user_no bigint not null,
    session_no bigint not null,
    row_no bigint not null,
    entry smallint not null,            -- 0 call, 1 reversal, 2 correction, 3 adjustment
    model_no bigint not null,           -- 0: not known
    provider_no bigint not null,
    occurred_at bigint not null,
    recorded_at bigint not null,
    calls bigint not null,
    input bigint not null,
    cache_read bigint not null,
    cache_write bigint not null,
    cache_write_1h bigint not null,
    output bigint not null,
    reasoning bigint not null,
    audio_in bigint not null,
    audio_out bigint not null,
    cost bigint,
    unpriced bigint not null,
    cost_source smallint not null,      -- 0 unpriced, 1 computed, 2 reported
    price_no bigint not null,
    billing smallint not null,          -- 0 unknown, 1 api, 2 subscription
    tier smallint not null,             -- which price list: 0 standard, 1 batch, 2 flex, 3 priority, 4 fast
    source_no bigint not null,
    evidence smallint not null,
    weight bigint not null,
    errored smallint not null,
    late smallint not null,
    usage_id {text} not null,
    primary key (user_no, session_no, row_no)
) {clustered};

-- Every name under which a call is known, and the row that stands for it now; an alias points at the call's first name.
create table usage_key (
    usage_key {text} not null,
    user_no bigint not null,
    alias_of {text},
    session_no bigint not null,
    row_no bigint not null,
    primary key ({usage_key})
) {clustered};

-- Sums by when calls happened. User 0 is everybody; there slice 0 is every slice, and -1 the deleted sessions'.
create table spend (
    user_no bigint not null,
    quarter bigint not null,
    slice_no bigint not null,
    model_no bigint not null,
    calls bigint not null,
    tokens_in bigint not null,
    tokens_out bigint not null,
    cost bigint not null,
    unpriced bigint not null,
    late_calls bigint not null,
    late_cost bigint not null,{slot}
    primary key (user_no, quarter, slice_no, model_no{and_slot})
) {clustered};

-- Sums by when sessions were last active. User 0 is everybody; hour -1 is all time, and for everybody hour -2 - q is the
-- quarter hour q, for the edges of ranges.
create table activity (
    user_no bigint not null,
    hour bigint not null,
    status smallint not null,
    slice_no bigint not null,
    sessions bigint not null,
    calls bigint not null,
    tokens_in bigint not null,
    tokens_out bigint not null,
    cost bigint not null,
    unpriced bigint not null,
    errors bigint not null,
    agent_time bigint not null,{slot}
    primary key (user_no, hour, status, slice_no{and_slot})
) {clustered};

create table activity_model (
    user_no bigint not null,
    hour bigint not null,
    model_no bigint not null,
    sessions bigint not null,
    calls bigint not null,
    tokens_in bigint not null,
    tokens_out bigint not null,
    cost bigint not null,
    unpriced bigint not null,{slot}
    primary key (user_no, hour, model_no{and_slot})
) {clustered};

-- How far each door has read each file.
create table source_file (
    user_no bigint not null,
    source {text} not null,
    path {text} not null,
    device bigint not null,
    inode bigint not null,
    size bigint not null,
    read_to bigint not null,
    head_hash {text} not null,
    mtime_ns bigint not null,
    state {bytes} not null,
    primary key (user_no, source, path)
) {clustered};
