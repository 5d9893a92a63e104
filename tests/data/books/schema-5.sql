pragma application_id = 1380928578;
pragma user_version = 5;
begin;
CREATE TABLE account (
    user_no integer primary key,
    user_id text not null unique,
    name text
, last_session_no bigint not null default 0, parent_no bigint);
CREATE TABLE model (
    model_no integer primary key,
    name text not null unique
);
CREATE TABLE label (
    label_no integer primary key,
    name text not null unique
);
CREATE TABLE slice (
    slice_no integer primary key,
    user_no bigint not null,
    dataset_id text not null,
    agent text not null,
    kind text not null,
    project text not null,
    deleted smallint not null,
    unique (user_no, dataset_id, agent, kind, project, deleted)
);
CREATE TABLE session (
    user_no bigint not null,
    session_no bigint not null,
    session_id text not null,
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
    life text not null, pruned_rows bigint not null default 0, version bigint not null default 0,                 -- ends, reopenings and marks as JSON; empty while there is none
    primary key (user_no, session_no)
) without rowid;
CREATE TABLE session_info (
    user_no bigint not null,
    session_no bigint not null,
    channel text,
    title text,
    goal_text text,
    metadata text,
    tags text,
    actor text,
    parent_user_no bigint,
    parent_id text,
    facts text not null,                -- each fact with the time at which it was said
    primary key (user_no, session_no)
) without rowid;
CREATE TABLE model_usage (
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
) without rowid;
CREATE TABLE ledger (
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
    usage_id text not null,
    primary key (user_no, session_no, row_no)
) without rowid;
CREATE TABLE usage_key (
    usage_key text not null,
    user_no bigint not null,
    alias_of text,
    session_no bigint not null,
    row_no bigint not null,
    primary key (usage_key, user_no)
) without rowid;
CREATE TABLE spend (
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
    late_cost bigint not null,
    primary key (user_no, quarter, slice_no, model_no)
) without rowid;
CREATE TABLE activity (
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
    agent_time bigint not null,
    primary key (user_no, hour, status, slice_no)
) without rowid;
CREATE TABLE activity_model (
    user_no bigint not null,
    hour bigint not null,
    model_no bigint not null,
    sessions bigint not null,
    calls bigint not null,
    tokens_in bigint not null,
    tokens_out bigint not null,
    cost bigint not null,
    unpriced bigint not null,
    primary key (user_no, hour, model_no)
) without rowid;
CREATE TABLE source_file (
    user_no bigint not null,
    source text not null,
    path text not null,
    device bigint not null,
    inode bigint not null,
    size bigint not null,
    read_to bigint not null,
    head_hash text not null,
    mtime_ns bigint not null,
    state blob not null,
    primary key (user_no, source, path)
) without rowid;
CREATE TABLE purged (
    hash blob not null primary key
) without rowid;
CREATE TABLE journal_stream (
    stream_no integer primary key,
    name text not null unique
);
CREATE TABLE journal_head (
    user_no bigint not null,
    session_no bigint not null,
    stream_no bigint not null,
    head text not null,
    root_no bigint not null,
    tip bigint not null,                -- position of the newest entry, 0: none
    length bigint not null,
    revision bigint not null,
    top bigint not null,                -- the highest position that the stream ever had
    failed bigint not null,             -- failed steps ever appended
    changed_at bigint not null,
    primary key (user_no, session_no, stream_no, head)
) without rowid;
CREATE TABLE entry (
    user_no bigint not null,
    root_no bigint not null,
    stream_no bigint not null,
    position bigint not null,
    entry_id text not null,
    session_no bigint not null,         -- who wrote it
    parent bigint,                      -- position. null: the entry before it in the stream, 0: none
    created_at bigint not null,
    doc_no bigint,                      -- what a search finds it by
    body text not null,                 -- JSON, as it was given
    primary key (user_no, root_no, stream_no, position)
) without rowid;
CREATE TABLE journal_state (
    user_no bigint not null,
    session_no bigint not null,
    name text not null,
    value text not null,
    primary key (user_no, session_no, name)
) without rowid;
CREATE TABLE search_doc (
    doc_no bigint not null primary key,
    user_no bigint not null,
    root_no bigint not null,
    stream_no bigint not null,
    position bigint not null
) without rowid;
CREATE TABLE journal_outbox (
    user_id text not null,
    session_id text not null,
    at bigint not null,                 -- when it was noted
    since bigint,                       -- what was changed from then on stays: the session, or its user, lives on
    primary key (user_id, session_id)
) without rowid;
CREATE TABLE book_fact (
    name text not null primary key,
    value text not null
) without rowid;
CREATE VIRTUAL TABLE search_text using fts5(who, body, content='', contentless_delete=1,
    tokenize="unicode61 remove_diacritics 0 categories 'L* N* Co M*'");
analyze account;
analyze account;
CREATE TABLE instance (
    instance_id text not null primary key,
    host text not null,
    boot_id text not null,              -- of the machine's boot, empty: not known
    pid_namespace text not null,        -- within which the pid is the process's, empty: not known
    pid bigint not null,
    started text not null,              -- when the process started, in clock ticks since the boot, empty: not known
    registered_at bigint not null,
    beat bigint not null,               -- how often it has been heard of
    beat_at bigint not null,
    lease_us bigint not null,           -- silence after which it is presumed dead, 0: it never beats
    ended_at bigint                     -- when it was presumed dead, a beat afterwards takes that back
) without rowid;
CREATE TABLE session_instance (
    user_no bigint not null,
    session_no bigint not null,
    instance_id text not null,
    loose smallint not null,
    primary key (user_no, session_no)
) without rowid;
CREATE TABLE access_key (
    key_id text not null primary key,
    secret_hash blob not null,         -- SHA-256
    user_no bigint not null,
    role smallint not null,             -- 0 reader, 1 writer, 2 admin
    label text not null,
    created_at bigint not null,
    expires_at bigint,
    revoked_at bigint
) without rowid;
CREATE TABLE dataset_grant (
    holder text not null,               -- "user:" and the user's id, or "key:" and the key's
    dataset_id text not null,
    may_write smallint not null,
    created_at bigint not null,
    primary key (holder, dataset_id)
) without rowid;
CREATE TABLE note (
    user_no bigint not null,
    room text not null,
    name text not null,
    version bigint not null,            -- grows with every change
    value text not null,                -- JSON
    expires_at bigint not null,
    primary key (user_no, room, name)
) without rowid;
insert into account values (1, '00000000-0000-5000-8000-000000000001', NULL, 0, NULL);
insert into account values (2, '4849e48b-934c-54bd-b0cb-cfc7fbe5b51e', 'ann@example.org', 0, NULL);
insert into account values (3, '7c9e6679-7425-40de-944b-e07fc1f90ae7', NULL, 0, NULL);
insert into model values (1, 'gpt-4o');
insert into model values (2, 'claude-sonnet-4-5');
insert into model values (3, 'gpt-4o-audio-preview');
insert into model values (4, 'nobody-knows-1');
insert into model values (5, 'claude-sonnet-4-5-20250929');
insert into model values (6, 'claude-haiku-4-5-20251001');
insert into label values (1, 'genai-prices/0.2.3');
insert into label values (2, 'push');
insert into label values (3, 'azure');
insert into label values (4, 'x');
insert into label values (5, 'upsert');
insert into label values (6, 'anthropic');
insert into label values (7, 'claude-code');
insert into slice values (1, 1, '', '', 'interactive', '', 0);
insert into slice values (2, 1, '', 'my-bot', 'autonomous', 'shop', 0);
insert into slice values (3, 1, '', 'other-bot', 'interactive', '', 0);
insert into slice values (4, 1, '', '', '', '', 1);
insert into slice values (5, 2, '', '', 'interactive', '', 0);
insert into slice values (6, 2, '7c9e6679-7425-40de-944b-e07fc1f90ae8', '', 'interactive', '', 0);
insert into slice values (7, 3, '', '', 'interactive', '', 0);
insert into slice values (8, 3, '7c9e6679-7425-40de-944b-e07fc1f90ae8', '', 'interactive', '', 0);
insert into slice values (9, 1, '', 'claude-code', 'interactive', '/home/dev/shop', 0);
insert into slice values (10, 2, '', 'claude-code', 'interactive', '/home/dev/shop', 0);
insert into slice values (11, 2, '', 'claude-code', 'autonomous', '/home/dev/shop', 0);
insert into session values (1, 1, 'running', 0, 2, 1779982000000000, 1779999640000000, NULL, 1779999640000000, 1, 1779982000000000, 17640000000, 0, 4, 24, 3, 0, 0, 0, 10000, 2, 1, 0, 0, 0, 4, 4, 1779982000000000, 8, '', 0, 5);
insert into session values (1, 2, 'abandoned', 0, 3, 1779892000000000, 1779892000000000, NULL, 1779892000000000, 1, 1779892000000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', 0, 1);
insert into session values (1, 3, 'completed', 1, 2, 1779820000000000, 1779823600000000, 1779823600000000, 1779992800000000, 1, 1779820000000000, 3600000000, 0, 1, 1000, 100, 0, 0, 0, 3500000, 0, 0, 0, 1, 1, 2, 1, 1779821800000000, 8, '[[1779823600000000,0,1,"","client"]]', 0, 4);
insert into session values (1, 4, 'failed', 2, 2, 1779820000000000, 1779823600000000, 1779823600000000, 1779821800000000, 1, 1779820000000000, 3600000000, 0, 1, 1000, 100, 0, 0, 0, 3500000, 0, 0, 0, 0, 0, 1, 1, 1779821800000000, 8, '[[1779823600000000,0,2,"said so","client"]]', 0, 3);
insert into session values (1, 5, 'cancelled', 3, 2, 1779820000000000, 1779823600000000, 1779823600000000, 1779821800000000, 1, 1779820000000000, 3600000000, 0, 1, 1000, 100, 0, 0, 0, 3500000, 0, 0, 0, 0, 0, 1, 1, 1779821800000000, 8, '[[1779823600000000,0,3,"","client"]]', 0, 3);
insert into session values (1, 6, 'crashed', 4, 1, 1779928000000000, 1779928000000000, NULL, 1779928000000000, 1, 1779928000000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '[[1780000000000000,2,4,"its process is gone","client"]]', 0, 2);
insert into session values (1, 7, 'reopened', 2, 1, 1779856000000000, 1779865000000000, 1779865000000000, 1779863200000000, 3, 1779862480000000, 6840000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 8, '[[1779857800000000,0,1,"","client"],[1779858880000000,1,0,"",""],[1779861400000000,0,2,"","client"],[1779862480000000,1,0,"",""],[1779865000000000,0,2,"","client"]]', 0, 9);
insert into session values (1, 8, 'parent', 0, 1, 1779964000000000, 1780000000000000, NULL, 1780000000000000, 1, 1779964000000000, 36000000000, 0, 2, 78, 0, 0, 0, 0, 500175000, 0, 0, 1, 0, 0, 6, 1, 1779982000000000, 8, '', 0, 12);
insert into session values (1, 9, 'child', 0, 1, 1779965800000000, 1779982000000000, NULL, 1779982000000000, 1, 1779965800000000, 16200000000, 3, 2, 9380, 240, 9000, 60, 60, 7347500, 0, 0, 0, 0, 0, 2, 3, 1779982000000000, 8, '', 0, 3);
insert into session values (1, 10, 'deleted', 5, 4, 1779784000000000, 1779787600000000, NULL, 1779791200000000, 1, 1779784000000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 8, '', 0, 4);
insert into session values (1, 11, 'ahead of the clock', 0, 1, 1780000000000000, 1780000000000000, NULL, 1780000000000000, 1, 1780000000000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, '', 0, 1);
insert into session values (1, 12, 'counted elsewhere', 0, 1, 1779971200000000, 1779996400000000, NULL, 1779996400000000, 1, 1779971200000000, 25200000000, 7, 0, 450, 90, 0, 0, 40, 130000000, 0, 0, 0, 0, 0, 2, 1, 1779996400000000, 0, '', 0, 2);
insert into session values (1, 13, 'branched', 0, 1, 1779967960000000, 1780000000000000, NULL, 1780000000000000, 1, 1779967960000000, 32040000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', 0, 2);
insert into session values (1, 14, 'bbbbbbbb-0000-4000-8000-00000000000b', 1, 9, 1772447400000000, 1772447404000000, 1772447404000000, 1772447404000000, 1, 1772447400000000, 4000000, 1, 1, 400, 40, 0, 0, 0, 1800000, 0, 0, 0, 0, 0, 1, 5, 1772447404000000, 8, '[[1772447404000000,3,1,"","importer"]]', 0, 1);
insert into session values (1, 15, 'aaaaaaaa-0000-4000-8000-00000000000a', 1, 9, 1772445600000000, 1772448005000000, 1772448005000000, 1772448005000000, 1, 1772445600000000, 2405000000, 3, 3, 800, 80, 0, 0, 0, 3600000, 0, 0, 0, 0, 0, 3, 5, 1772448005000000, 8, '[[1772445665000000,3,1,"","importer"],[1772448005000000,3,1,"","importer"]]', 0, 1);
insert into session values (2, 1, 'running', 0, 6, 1779989200000000, 1779989560000000, NULL, 1779989560000000, 1, 1779989200000000, 360000000, 0, 1, 77, 0, 0, 0, 0, 192500, 0, 0, 0, 0, 0, 1, 1, 1779989560000000, 8, '', 0, 2);
insert into session values (2, 2, 'aaaaaaaa-0000-4000-8000-00000000000a', 1, 10, 1772445600000000, 1772445675000000, 1772445675000000, 1772445675000000, 1, 1772445600000000, 75000000, 1, 2, 3210, 21, 3000, 0, 0, 1845000, 0, 0, 0, 0, 0, 2, 5, 1772445675000000, 8, '[[1772445675000000,3,1,"","importer"]]', 0, 1);
insert into session values (2, 3, 'aaaaaaaa-0000-4000-8000-00000000000a/agent-a1b2c3d4', 1, 11, 1772445660000000, 1772445668000000, 1772445668000000, 1772445668000000, 1, 1772445660000000, 8000000, 1, 2, 4210, 11, 4100, 0, 0, 575000, 0, 0, 0, 0, 0, 2, 6, 1772445668000000, 8, '[[1772445668000000,3,1,"","importer"]]', 0, 1);
insert into session values (3, 1, 'running', 0, 8, 1779989200000000, 1779989560000000, NULL, 1779989560000000, 1, 1779989200000000, 360000000, 0, 1, 77, 0, 0, 0, 0, 192500, 0, 0, 0, 0, 0, 1, 1, 1779989560000000, 8, '', 0, 2);
insert into session_info values (1, 1, 'api', 'Löschen 删除', NULL, '{"n":[1,null]}', '["a","b"]', NULL, NULL, NULL, '{"kind":[1779999640000000,"autonomous"],"channel":[1779999640000000,"api"],"agent":[1779999640000000,"my-bot"],"project":[1779999640000000,"shop"],"title":[1779999640000000,"Löschen 删除"],"tags":[1779999640000000,["a","b"]],"metadata":[1779999640000000,"{\"n\":[1,null]}"]}');
insert into session_info values (1, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"agent":[1779892000000000,"other-bot"]}');
insert into session_info values (1, 3, 'api', NULL, 'To end', NULL, NULL, NULL, NULL, NULL, '{"kind":[1779820000000000,"autonomous"],"channel":[1779820000000000,"api"],"agent":[1779820000000000,"my-bot"],"project":[1779820000000000,"shop"],"goal_text":[1779820000000000,"To end"]}');
insert into session_info values (1, 4, 'api', NULL, 'To end', NULL, NULL, NULL, NULL, NULL, '{"kind":[1779820000000000,"autonomous"],"channel":[1779820000000000,"api"],"agent":[1779820000000000,"my-bot"],"project":[1779820000000000,"shop"],"goal_text":[1779820000000000,"To end"]}');
insert into session_info values (1, 5, 'api', NULL, 'To end', NULL, NULL, NULL, NULL, NULL, '{"kind":[1779820000000000,"autonomous"],"channel":[1779820000000000,"api"],"agent":[1779820000000000,"my-bot"],"project":[1779820000000000,"shop"],"goal_text":[1779820000000000,"To end"]}');
insert into session_info values (1, 9, NULL, NULL, NULL, NULL, NULL, NULL, 1, 'parent', '{"parent":[1779965800000000,[1,"parent"]]}');
insert into session_info values (1, 14, 'cli', 'Try it denormalised', NULL, '{"forked_from":"aaaaaaaa-0000-4000-8000-00000000000a"}', NULL, NULL, NULL, NULL, '{"kind":[1772447400000000,"interactive"],"channel":[1772447400000000,"cli"],"agent":[1772447400000000,"claude-code"],"project":[1772447400000000,"/home/dev/shop"],"title":[1772447400000000,"Try it denormalised"],"metadata":[1772447400000000,"{\"forked_from\":\"aaaaaaaa-0000-4000-8000-00000000000a\"}"]}');
insert into session_info values (1, 15, 'cli', 'Design the schema', NULL, NULL, NULL, NULL, NULL, NULL, '{"kind":[1772445600000000,"interactive"],"channel":[1772445600000000,"cli"],"agent":[1772445600000000,"claude-code"],"project":[1772445600000000,"/home/dev/shop"],"title":[1772445600000000,"Design the schema"]}');
insert into session_info values (2, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"dataset_id":[1779989200000000,"7c9e6679-7425-40de-944b-e07fc1f90ae8"]}');
insert into session_info values (2, 2, 'cli', 'Rename Tax to Levy', NULL, NULL, NULL, NULL, NULL, NULL, '{"kind":[1772445600000000,"interactive"],"channel":[1772445600000000,"cli"],"agent":[1772445600000000,"claude-code"],"project":[1772445600000000,"/home/dev/shop"],"title":[1772445600000000,"Rename Tax to Levy"]}');
insert into session_info values (2, 3, 'cli', 'Search the code for uses of Tax', NULL, NULL, NULL, NULL, 2, 'aaaaaaaa-0000-4000-8000-00000000000a', '{"kind":[1772445660000000,"autonomous"],"channel":[1772445660000000,"cli"],"agent":[1772445660000000,"claude-code"],"project":[1772445660000000,"/home/dev/shop"],"parent":[1772445660000000,[2,"aaaaaaaa-0000-4000-8000-00000000000a"]],"title":[1772445660000000,"Search the code for uses of Tax"]}');
insert into session_info values (3, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"dataset_id":[1779989200000000,"7c9e6679-7425-40de-944b-e07fc1f90ae8"]}');
insert into model_usage values (1, 1, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0);
insert into model_usage values (1, 1, 1, 2, 8, 0, 0, 0, 0, 10000, 1, 1);
insert into model_usage values (1, 1, 4, 1, 12, 3, 0, 0, 0, 0, 1, 0);
insert into model_usage values (1, 3, 1, 1, 1000, 100, 0, 0, 0, 3500000, 0, 0);
insert into model_usage values (1, 4, 1, 1, 1000, 100, 0, 0, 0, 3500000, 0, 0);
insert into model_usage values (1, 5, 1, 1, 1000, 100, 0, 0, 0, 3500000, 0, 0);
insert into model_usage values (1, 8, 0, 1, 8, 0, 0, 0, 0, 500000000, 0, 0);
insert into model_usage values (1, 8, 1, 1, 70, 0, 0, 0, 0, 175000, 0, 0);
insert into model_usage values (1, 9, 2, 1, 9360, 210, 9000, 60, 60, 6997500, 0, 0);
insert into model_usage values (1, 9, 3, 1, 20, 30, 0, 0, 0, 350000, 0, 0);
insert into model_usage values (1, 12, 1, 0, 450, 90, 0, 0, 40, 130000000, 0, 0);
insert into model_usage values (1, 14, 5, 1, 400, 40, 0, 0, 0, 1800000, 0, 0);
insert into model_usage values (1, 15, 5, 3, 800, 80, 0, 0, 0, 3600000, 0, 0);
insert into model_usage values (2, 1, 1, 1, 77, 0, 0, 0, 0, 192500, 0, 0);
insert into model_usage values (2, 2, 5, 2, 3210, 21, 3000, 0, 0, 1845000, 0, 0);
insert into model_usage values (2, 3, 6, 2, 4210, 11, 4100, 0, 0, 575000, 0, 0);
insert into model_usage values (3, 1, 1, 1, 77, 0, 0, 0, 0, 192500, 0, 0);
insert into ledger values (1, 1, 0, 0, 4, 0, 1779982000000000, 1780000000000000, 1, 12, 0, 0, 0, 3, 0, 0, 0, NULL, 1, 0, 0, 0, 0, 2, 35, 0, 0, 0, 'unpriced');
insert into ledger values (1, 1, 1, 0, 0, 0, 1779982000000000, 1780000000000000, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 2, 35, 0, 0, 0, 'free');
insert into ledger values (1, 1, 2, 0, 1, 0, 1779982000000000, 1780000000000000, 1, 4, 0, 0, 0, 0, 0, 0, 0, NULL, 1, 0, 0, 0, 1, 2, 35, 0, 1, 0, 'batch');
insert into ledger values (1, 1, 3, 0, 1, 3, 1779982000000000, 1780000000000000, 1, 4, 0, 0, 0, 0, 0, 0, 0, 10000, 0, 1, 1, 0, 0, 4, 35, 0, 0, 0, 'azure');
insert into ledger values (1, 3, 0, 0, 1, 0, 1779821800000000, 1780000000000000, 1, 1000, 0, 0, 0, 100, 0, 0, 0, 3500000, 0, 1, 1, 0, 0, 2, 35, 0, 0, 0, 'of completed');
insert into ledger values (1, 3, 1, 0, 1, 0, 1779992800000000, 1780000000000000, 1, 900, 0, 0, 0, 0, 0, 0, 0, 2250000, 0, 1, 1, 0, 0, 2, 35, 0, 0, 1, 'late');
insert into ledger values (1, 4, 0, 0, 1, 0, 1779821800000000, 1780000000000000, 1, 1000, 0, 0, 0, 100, 0, 0, 0, 3500000, 0, 1, 1, 0, 0, 2, 35, 0, 0, 0, 'of failed');
insert into ledger values (1, 5, 0, 0, 1, 0, 1779821800000000, 1780000000000000, 1, 1000, 0, 0, 0, 100, 0, 0, 0, 3500000, 0, 1, 1, 0, 0, 2, 35, 0, 0, 0, 'of cancelled');
insert into ledger values (1, 7, 0, 0, 1, 0, 1779858520000000, 1780000000000000, 1, 9, 0, 0, 0, 0, 0, 0, 0, 22500, 0, 1, 1, 0, 0, 2, 35, 0, 0, 1, 'between');
insert into ledger values (1, 8, 0, 0, 1, 0, 1779982000000000, 1780000000000000, 1, 10, 0, 0, 0, 0, 0, 0, 0, 25000, 0, 1, 1, 0, 0, 2, 10, 0, 0, 0, 'amended');
insert into ledger values (1, 8, 1, 1, 1, 0, 1779982000000000, 1780000000000000, -1, -10, 0, 0, 0, 0, 0, 0, 0, -25000, 0, 1, 1, 0, 0, 2, 10, 0, 0, 0, 'amended');
insert into ledger values (1, 8, 2, 2, 1, 0, 1779982000000000, 1780000000000000, 1, 40, 0, 0, 0, 0, 0, 0, 0, 100000, 0, 1, 1, 0, 0, 2, 20, 0, 0, 0, 'amended');
insert into ledger values (1, 8, 3, 1, 1, 0, 1779982000000000, 1780000000000000, -1, -40, 0, 0, 0, 0, 0, 0, 0, -100000, 0, 1, 1, 0, 0, 2, 20, 0, 0, 0, 'amended');
insert into ledger values (1, 8, 4, 2, 1, 0, 1779982000000000, 1780000000000000, 1, 70, 0, 0, 0, 0, 0, 0, 0, 175000, 0, 1, 1, 0, 0, 2, 40, 0, 0, 0, 'amended');
insert into ledger values (1, 8, 5, 0, 0, 0, 1779982000000000, 1780000000000000, 1, 8, 0, 0, 0, 0, 0, 0, 0, 500000000, 0, 2, 0, 0, 0, 2, 35, 0, 0, 0, 'first');
insert into ledger values (1, 9, 0, 0, 2, 0, 1779982000000000, 1780000000000000, 1, 300, 9000, 50, 10, 150, 60, 0, 0, 6997500, 0, 1, 1, 0, 0, 2, 35, 0, 0, 0, 'kinds');
insert into ledger values (1, 9, 1, 0, 3, 0, 1779982000000000, 1780000000000000, 1, 0, 0, 0, 0, 0, 0, 20, 30, 350000, 0, 1, 1, 0, 0, 2, 35, 0, 0, 0, '01a2002d-2e42-77bd-b4e4-42fae6c3d428');
insert into ledger values (1, 10, 0, 0, 1, 0, 1779787600000000, 1780000000000000, 1, 5000, 0, 0, 0, 0, 0, 0, 0, 12500000, 0, 1, 1, 0, 0, 2, 35, 0, 0, 0, 'gone');
insert into ledger values (1, 10, 1, 0, 1, 0, 1779791200000000, 1780000000000000, 1, 70, 0, 0, 0, 0, 0, 0, 0, 175000, 0, 1, 1, 0, 0, 2, 35, 0, 0, 0, 'gone later');
insert into ledger values (1, 12, 0, 3, 1, 0, 1779996400000000, 1780000000000000, 0, 500, 0, 0, 0, 50, 40, 0, 0, 125000000, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 'adjustment:0');
insert into ledger values (1, 12, 1, 3, 1, 0, 1779996400000000, 1780000000000000, 0, -50, 0, 0, 0, 0, 0, 0, 0, 5000000, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 'adjustment:1');
insert into ledger values (1, 14, 0, 0, 5, 6, 1772447404000000, 1795299291067227, 1, 400, 0, 0, 0, 40, 0, 0, 0, 1800000, 0, 1, 1, 0, 0, 7, 40, 1, 0, 0, 'anthropic:msg:msg_01for3');
insert into ledger values (1, 15, 0, 0, 5, 6, 1772445605000000, 1795299291067227, 1, 100, 0, 0, 0, 10, 0, 0, 0, 450000, 0, 1, 1, 0, 0, 7, 40, 1, 0, 0, 'anthropic:msg:msg_01for1');
insert into ledger values (1, 15, 1, 0, 5, 6, 1772445665000000, 1795299291067227, 1, 200, 0, 0, 0, 20, 0, 0, 0, 900000, 0, 1, 1, 0, 0, 7, 40, 1, 0, 0, 'anthropic:msg:msg_01for2');
insert into ledger values (1, 15, 2, 0, 5, 6, 1772448005000000, 1795299291067227, 1, 500, 0, 0, 0, 50, 0, 0, 0, 2250000, 0, 1, 1, 0, 0, 7, 40, 1, 0, 0, 'anthropic:msg:msg_01for4');
insert into ledger values (2, 1, 0, 0, 1, 0, 1779989560000000, 1780000000000000, 1, 77, 0, 0, 0, 0, 0, 0, 0, 192500, 0, 1, 1, 0, 0, 2, 35, 0, 0, 0, 'amended');
insert into ledger values (2, 2, 0, 0, 5, 6, 1772445605000000, 1795299291108040, 1, 100, 0, 0, 0, 10, 0, 0, 0, 450000, 0, 1, 1, 0, 0, 7, 40, 1, 0, 0, 'anthropic:msg:msg_01sub0');
insert into ledger values (2, 2, 1, 0, 5, 6, 1772445675000000, 1795299291108040, 1, 110, 3000, 0, 0, 11, 0, 0, 0, 1395000, 0, 1, 1, 0, 0, 7, 40, 1, 0, 0, 'anthropic:msg:msg_01sub3');
insert into ledger values (2, 3, 0, 0, 6, 6, 1772445664000000, 1795299291108040, 1, 50, 2000, 0, 0, 5, 0, 0, 0, 275000, 0, 1, 1, 0, 0, 7, 39, 1, 0, 0, 'anthropic:msg:msg_01sub1');
insert into ledger values (2, 3, 1, 0, 6, 6, 1772445668000000, 1795299291108040, 1, 60, 2100, 0, 0, 6, 0, 0, 0, 300000, 0, 1, 1, 0, 0, 7, 39, 1, 0, 0, 'anthropic:msg:msg_01sub2');
insert into ledger values (3, 1, 0, 0, 1, 0, 1779989560000000, 1780000000000000, 1, 77, 0, 0, 0, 0, 0, 0, 0, 192500, 0, 1, 1, 0, 0, 2, 35, 0, 0, 0, 'amended');
insert into usage_key values ('01a2002d-2e42-77bd-b4e4-42fae6c3d428', 1, NULL, 9, 1);
insert into usage_key values ('alias-1', 1, 'first', 0, 0);
insert into usage_key values ('alias-2', 1, 'first', 0, 0);
insert into usage_key values ('alias-3', 1, 'first', 0, 0);
insert into usage_key values ('amended', 1, NULL, 8, 4);
insert into usage_key values ('amended', 2, NULL, 1, 0);
insert into usage_key values ('amended', 3, NULL, 1, 0);
insert into usage_key values ('anthropic:msg:msg_01for1', 1, NULL, 15, 0);
insert into usage_key values ('anthropic:msg:msg_01for2', 1, NULL, 15, 1);
insert into usage_key values ('anthropic:msg:msg_01for3', 1, NULL, 14, 0);
insert into usage_key values ('anthropic:msg:msg_01for4', 1, NULL, 15, 2);
insert into usage_key values ('anthropic:msg:msg_01sub0', 2, NULL, 2, 0);
insert into usage_key values ('anthropic:msg:msg_01sub1', 2, NULL, 3, 0);
insert into usage_key values ('anthropic:msg:msg_01sub2', 2, NULL, 3, 1);
insert into usage_key values ('anthropic:msg:msg_01sub3', 2, NULL, 2, 1);
insert into usage_key values ('anthropic:req:req_011for1', 1, 'anthropic:msg:msg_01for1', 0, 0);
insert into usage_key values ('anthropic:req:req_011for2', 1, 'anthropic:msg:msg_01for2', 0, 0);
insert into usage_key values ('anthropic:req:req_011for3', 1, 'anthropic:msg:msg_01for3', 0, 0);
insert into usage_key values ('anthropic:req:req_011for4', 1, 'anthropic:msg:msg_01for4', 0, 0);
insert into usage_key values ('anthropic:req:req_011sub0', 2, 'anthropic:msg:msg_01sub0', 0, 0);
insert into usage_key values ('anthropic:req:req_011sub1', 2, 'anthropic:msg:msg_01sub1', 0, 0);
insert into usage_key values ('anthropic:req:req_011sub2', 2, 'anthropic:msg:msg_01sub2', 0, 0);
insert into usage_key values ('anthropic:req:req_011sub3', 2, 'anthropic:msg:msg_01sub3', 0, 0);
insert into usage_key values ('azure', 1, NULL, 1, 3);
insert into usage_key values ('batch', 1, NULL, 1, 2);
insert into usage_key values ('between', 1, NULL, 7, 0);
insert into usage_key values ('first', 1, NULL, 8, 5);
insert into usage_key values ('free', 1, NULL, 1, 1);
insert into usage_key values ('gone', 1, NULL, 10, 0);
insert into usage_key values ('gone later', 1, NULL, 10, 1);
insert into usage_key values ('kinds', 1, NULL, 9, 0);
insert into usage_key values ('late', 1, NULL, 3, 1);
insert into usage_key values ('of cancelled', 1, NULL, 5, 0);
insert into usage_key values ('of completed', 1, NULL, 3, 0);
insert into usage_key values ('of failed', 1, NULL, 4, 0);
insert into usage_key values ('unpriced', 1, NULL, 1, 0);
insert into spend values (0, 1969384, 0, 5, 4, 3510, 51, 3195000, 0, 0, 0);
insert into spend values (0, 1969384, 0, 6, 2, 4210, 11, 575000, 0, 0, 0);
insert into spend values (0, 1969386, 0, 5, 2, 900, 90, 4050000, 0, 0, 0);
insert into spend values (0, 1977541, -1, 1, 1, 5000, 0, 12500000, 0, 0, 0);
insert into spend values (0, 1977545, -1, 1, 1, 70, 0, 175000, 0, 0, 0);
insert into spend values (0, 1977579, 0, 1, 3, 3000, 300, 10500000, 0, 0, 0);
insert into spend values (0, 1977620, 0, 1, 1, 9, 0, 22500, 0, 1, 22500);
insert into spend values (0, 1977757, 0, 0, 2, 12, 0, 500000000, 0, 0, 0);
insert into spend values (0, 1977757, 0, 1, 3, 78, 0, 185000, 1, 0, 0);
insert into spend values (0, 1977757, 0, 2, 1, 9360, 210, 6997500, 0, 0, 0);
insert into spend values (0, 1977757, 0, 3, 1, 20, 30, 350000, 0, 0, 0);
insert into spend values (0, 1977757, 0, 4, 1, 12, 3, 0, 1, 0, 0);
insert into spend values (0, 1977766, 0, 1, 2, 154, 0, 385000, 0, 0, 0);
insert into spend values (0, 1977769, 0, 1, 1, 900, 0, 2250000, 0, 1, 2250000);
insert into spend values (0, 1977773, 0, 1, 0, 450, 90, 130000000, 0, 0, 0);
insert into spend values (1, 1969384, 9, 5, 2, 300, 30, 1350000, 0, 0, 0);
insert into spend values (1, 1969386, 9, 5, 2, 900, 90, 4050000, 0, 0, 0);
insert into spend values (1, 1977541, 4, 1, 1, 5000, 0, 12500000, 0, 0, 0);
insert into spend values (1, 1977545, 4, 1, 1, 70, 0, 175000, 0, 0, 0);
insert into spend values (1, 1977579, 2, 1, 3, 3000, 300, 10500000, 0, 0, 0);
insert into spend values (1, 1977620, 1, 1, 1, 9, 0, 22500, 0, 1, 22500);
insert into spend values (1, 1977757, 1, 0, 1, 8, 0, 500000000, 0, 0, 0);
insert into spend values (1, 1977757, 1, 1, 1, 70, 0, 175000, 0, 0, 0);
insert into spend values (1, 1977757, 1, 2, 1, 9360, 210, 6997500, 0, 0, 0);
insert into spend values (1, 1977757, 1, 3, 1, 20, 30, 350000, 0, 0, 0);
insert into spend values (1, 1977757, 2, 0, 1, 4, 0, 0, 0, 0, 0);
insert into spend values (1, 1977757, 2, 1, 2, 8, 0, 10000, 1, 0, 0);
insert into spend values (1, 1977757, 2, 4, 1, 12, 3, 0, 1, 0, 0);
insert into spend values (1, 1977769, 2, 1, 1, 900, 0, 2250000, 0, 1, 2250000);
insert into spend values (1, 1977773, 1, 1, 0, 450, 90, 130000000, 0, 0, 0);
insert into spend values (2, 1969384, 10, 5, 2, 3210, 21, 1845000, 0, 0, 0);
insert into spend values (2, 1969384, 11, 6, 2, 4210, 11, 575000, 0, 0, 0);
insert into spend values (2, 1977766, 6, 1, 1, 77, 0, 192500, 0, 0, 0);
insert into spend values (3, 1977766, 8, 1, 1, 77, 0, 192500, 0, 0, 0);
insert into activity values (0, -1977779, 0, 0, 4, 6, 102, 3, 500185000, 2, 2, 85680000000);
insert into activity values (0, -1977775, 0, 0, 1, 0, 450, 90, 130000000, 0, 0, 25200000000);
insert into activity values (0, -1977768, 0, 0, 2, 2, 154, 0, 385000, 0, 0, 720000000);
insert into activity values (0, -1977759, 0, 0, 1, 2, 9380, 240, 7347500, 0, 0, 16200000000);
insert into activity values (0, -1977699, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0);
insert into activity values (0, -1977659, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
insert into activity values (0, -1977629, 2, 0, 1, 0, 0, 0, 0, 0, 0, 6840000000);
insert into activity values (0, -1977583, 1, 0, 1, 1, 1000, 100, 3500000, 0, 0, 3600000000);
insert into activity values (0, -1977583, 2, 0, 1, 1, 1000, 100, 3500000, 0, 0, 3600000000);
insert into activity values (0, -1977583, 3, 0, 1, 1, 1000, 100, 3500000, 0, 0, 3600000000);
insert into activity values (0, -1969388, 1, 0, 2, 4, 1200, 120, 5400000, 0, 0, 2409000000);
insert into activity values (0, -1969386, 1, 0, 2, 4, 7420, 32, 2420000, 0, 0, 83000000);
insert into activity values (0, -1, 0, 0, 9, 10, 10086, 333, 637917500, 2, 2, 127800000000);
insert into activity values (0, -1, 1, 0, 5, 9, 9620, 252, 11320000, 0, 0, 6092000000);
insert into activity values (0, -1, 2, 0, 2, 1, 1000, 100, 3500000, 0, 0, 10440000000);
insert into activity values (0, -1, 3, 0, 1, 1, 1000, 100, 3500000, 0, 0, 3600000000);
insert into activity values (0, -1, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0);
insert into activity values (0, 492346, 1, 0, 4, 8, 8620, 152, 7820000, 0, 0, 2492000000);
insert into activity values (0, 494395, 1, 0, 1, 1, 1000, 100, 3500000, 0, 0, 3600000000);
insert into activity values (0, 494395, 2, 0, 1, 1, 1000, 100, 3500000, 0, 0, 3600000000);
insert into activity values (0, 494395, 3, 0, 1, 1, 1000, 100, 3500000, 0, 0, 3600000000);
insert into activity values (0, 494406, 2, 0, 1, 0, 0, 0, 0, 0, 0, 6840000000);
insert into activity values (0, 494414, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
insert into activity values (0, 494424, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0);
insert into activity values (0, 494439, 0, 0, 1, 2, 9380, 240, 7347500, 0, 0, 16200000000);
insert into activity values (0, 494441, 0, 0, 2, 2, 154, 0, 385000, 0, 0, 720000000);
insert into activity values (0, 494443, 0, 0, 1, 0, 450, 90, 130000000, 0, 0, 25200000000);
insert into activity values (0, 494444, 0, 0, 4, 6, 102, 3, 500185000, 2, 2, 85680000000);
insert into activity values (1, -1, 0, 1, 5, 4, 9908, 330, 637522500, 0, 1, 109440000000);
insert into activity values (1, -1, 0, 2, 1, 4, 24, 3, 10000, 2, 1, 17640000000);
insert into activity values (1, -1, 0, 3, 1, 0, 0, 0, 0, 0, 0, 0);
insert into activity values (1, -1, 1, 2, 1, 1, 1000, 100, 3500000, 0, 0, 3600000000);
insert into activity values (1, -1, 1, 9, 2, 4, 1200, 120, 5400000, 0, 0, 2409000000);
insert into activity values (1, -1, 2, 1, 1, 0, 0, 0, 0, 0, 0, 6840000000);
insert into activity values (1, -1, 2, 2, 1, 1, 1000, 100, 3500000, 0, 0, 3600000000);
insert into activity values (1, -1, 3, 2, 1, 1, 1000, 100, 3500000, 0, 0, 3600000000);
insert into activity values (1, -1, 4, 1, 1, 0, 0, 0, 0, 0, 0, 0);
insert into activity values (1, 492346, 1, 9, 2, 4, 1200, 120, 5400000, 0, 0, 2409000000);
insert into activity values (1, 494395, 1, 2, 1, 1, 1000, 100, 3500000, 0, 0, 3600000000);
insert into activity values (1, 494395, 2, 2, 1, 1, 1000, 100, 3500000, 0, 0, 3600000000);
insert into activity values (1, 494395, 3, 2, 1, 1, 1000, 100, 3500000, 0, 0, 3600000000);
insert into activity values (1, 494406, 2, 1, 1, 0, 0, 0, 0, 0, 0, 6840000000);
insert into activity values (1, 494414, 0, 3, 1, 0, 0, 0, 0, 0, 0, 0);
insert into activity values (1, 494424, 4, 1, 1, 0, 0, 0, 0, 0, 0, 0);
insert into activity values (1, 494439, 0, 1, 1, 2, 9380, 240, 7347500, 0, 0, 16200000000);
insert into activity values (1, 494443, 0, 1, 1, 0, 450, 90, 130000000, 0, 0, 25200000000);
insert into activity values (1, 494444, 0, 1, 3, 2, 78, 0, 500175000, 0, 1, 68040000000);
insert into activity values (1, 494444, 0, 2, 1, 4, 24, 3, 10000, 2, 1, 17640000000);
insert into activity values (2, -1, 0, 6, 1, 1, 77, 0, 192500, 0, 0, 360000000);
insert into activity values (2, -1, 1, 10, 1, 2, 3210, 21, 1845000, 0, 0, 75000000);
insert into activity values (2, -1, 1, 11, 1, 2, 4210, 11, 575000, 0, 0, 8000000);
insert into activity values (2, 492346, 1, 10, 1, 2, 3210, 21, 1845000, 0, 0, 75000000);
insert into activity values (2, 492346, 1, 11, 1, 2, 4210, 11, 575000, 0, 0, 8000000);
insert into activity values (2, 494441, 0, 6, 1, 1, 77, 0, 192500, 0, 0, 360000000);
insert into activity values (3, -1, 0, 8, 1, 1, 77, 0, 192500, 0, 0, 360000000);
insert into activity values (3, 494441, 0, 8, 1, 1, 77, 0, 192500, 0, 0, 360000000);
insert into activity_model values (0, -1977779, 0, 2, 2, 12, 0, 500000000, 0);
insert into activity_model values (0, -1977779, 1, 2, 3, 78, 0, 185000, 1);
insert into activity_model values (0, -1977779, 4, 1, 1, 12, 3, 0, 1);
insert into activity_model values (0, -1977775, 1, 1, 0, 450, 90, 130000000, 0);
insert into activity_model values (0, -1977768, 1, 2, 2, 154, 0, 385000, 0);
insert into activity_model values (0, -1977759, 2, 1, 1, 9360, 210, 6997500, 0);
insert into activity_model values (0, -1977759, 3, 1, 1, 20, 30, 350000, 0);
insert into activity_model values (0, -1977583, 1, 3, 3, 3000, 300, 10500000, 0);
insert into activity_model values (0, -1969388, 5, 2, 4, 1200, 120, 5400000, 0);
insert into activity_model values (0, -1969386, 5, 1, 2, 3210, 21, 1845000, 0);
insert into activity_model values (0, -1969386, 6, 1, 2, 4210, 11, 575000, 0);
insert into activity_model values (0, -1, 0, 2, 2, 12, 0, 500000000, 0);
insert into activity_model values (0, -1, 1, 8, 8, 3682, 390, 141070000, 1);
insert into activity_model values (0, -1, 2, 1, 1, 9360, 210, 6997500, 0);
insert into activity_model values (0, -1, 3, 1, 1, 20, 30, 350000, 0);
insert into activity_model values (0, -1, 4, 1, 1, 12, 3, 0, 1);
insert into activity_model values (0, -1, 5, 3, 6, 4410, 141, 7245000, 0);
insert into activity_model values (0, -1, 6, 1, 2, 4210, 11, 575000, 0);
insert into activity_model values (0, 492346, 5, 3, 6, 4410, 141, 7245000, 0);
insert into activity_model values (0, 492346, 6, 1, 2, 4210, 11, 575000, 0);
insert into activity_model values (0, 494395, 1, 3, 3, 3000, 300, 10500000, 0);
insert into activity_model values (0, 494439, 2, 1, 1, 9360, 210, 6997500, 0);
insert into activity_model values (0, 494439, 3, 1, 1, 20, 30, 350000, 0);
insert into activity_model values (0, 494441, 1, 2, 2, 154, 0, 385000, 0);
insert into activity_model values (0, 494443, 1, 1, 0, 450, 90, 130000000, 0);
insert into activity_model values (0, 494444, 0, 2, 2, 12, 0, 500000000, 0);
insert into activity_model values (0, 494444, 1, 2, 3, 78, 0, 185000, 1);
insert into activity_model values (0, 494444, 4, 1, 1, 12, 3, 0, 1);
insert into activity_model values (1, -1, 0, 2, 2, 12, 0, 500000000, 0);
insert into activity_model values (1, -1, 1, 6, 6, 3528, 390, 140685000, 1);
insert into activity_model values (1, -1, 2, 1, 1, 9360, 210, 6997500, 0);
insert into activity_model values (1, -1, 3, 1, 1, 20, 30, 350000, 0);
insert into activity_model values (1, -1, 4, 1, 1, 12, 3, 0, 1);
insert into activity_model values (1, -1, 5, 2, 4, 1200, 120, 5400000, 0);
insert into activity_model values (1, 492346, 5, 2, 4, 1200, 120, 5400000, 0);
insert into activity_model values (1, 494395, 1, 3, 3, 3000, 300, 10500000, 0);
insert into activity_model values (1, 494439, 2, 1, 1, 9360, 210, 6997500, 0);
insert into activity_model values (1, 494439, 3, 1, 1, 20, 30, 350000, 0);
insert into activity_model values (1, 494443, 1, 1, 0, 450, 90, 130000000, 0);
insert into activity_model values (1, 494444, 0, 2, 2, 12, 0, 500000000, 0);
insert into activity_model values (1, 494444, 1, 2, 3, 78, 0, 185000, 1);
insert into activity_model values (1, 494444, 4, 1, 1, 12, 3, 0, 1);
insert into activity_model values (2, -1, 1, 1, 1, 77, 0, 192500, 0);
insert into activity_model values (2, -1, 5, 1, 2, 3210, 21, 1845000, 0);
insert into activity_model values (2, -1, 6, 1, 2, 4210, 11, 575000, 0);
insert into activity_model values (2, 492346, 5, 1, 2, 3210, 21, 1845000, 0);
insert into activity_model values (2, 492346, 6, 1, 2, 4210, 11, 575000, 0);
insert into activity_model values (2, 494441, 1, 1, 1, 77, 0, 192500, 0);
insert into activity_model values (3, -1, 1, 1, 1, 77, 0, 192500, 0);
insert into activity_model values (3, 494441, 1, 1, 1, 77, 0, 192500, 0);
insert into source_file values (1, 'claude-code', '/home/sample/.claude/projects/forked/aaaaaaaa-0000-4000-8000-00000000000a.jsonl', 66, 4170822, 3110, 3110, '322cc669dfcd12e803b8c1154fe6b2a4', 1795284727000000000, X'7B2273657373696F6E73223A5B7B226964223A2261616161616161612D303030302D343030302D383030302D303030303030303030303061222C226C617374223A313737323434383030353030303030302C226C6F6361746564223A747275652C22696E74726F6475636564223A747275652C227475726E73223A332C227374616E6473223A312C22656E646564223A747275652C227469746C655F72616E6B223A312C227469746C655F6174223A313737323434353630303030303030307D5D2C2263757272656E74223A2261616161616161612D303030302D343030302D383030302D303030303030303030303061227D');
insert into source_file values (1, 'claude-code', '/home/sample/.claude/projects/forked/bbbbbbbb-0000-4000-8000-00000000000b.jsonl', 66, 4170823, 3447, 3447, '1e9046a97dc1e17e1bd412b3f766db2f', 1795284727000000000, X'7B2273657373696F6E73223A5B7B226964223A2261616161616161612D303030302D343030302D383030302D303030303030303030303061222C226C617374223A313737323434353636353030303030302C226C6F6361746564223A747275652C22696E74726F6475636564223A747275652C227475726E73223A322C227374616E6473223A312C22656E646564223A747275652C227469746C655F72616E6B223A312C227469746C655F6174223A313737323434353630303030303030307D2C7B226964223A2262626262626262622D303030302D343030302D383030302D303030303030303030303062222C226C617374223A313737323434373430343030303030302C226C6F6361746564223A747275652C22696E74726F6475636564223A747275652C22666F726B65645F66726F6D223A2261616161616161612D303030302D343030302D383030302D303030303030303030303061222C227475726E73223A312C227374616E6473223A312C22656E646564223A747275652C227469746C655F72616E6B223A312C227469746C655F6174223A313737323434373430303030303030307D5D2C2263757272656E74223A2262626262626262622D303030302D343030302D383030302D303030303030303030303062227D');
insert into source_file values (2, 'claude-code', '/home/sample/.claude/projects/sub-agent/aaaaaaaa-0000-4000-8000-00000000000a.jsonl', 66, 4170825, 2473, 2473, '4d1bbf107e5126a5df6871bd6cbed129', 1795284727000000000, X'7B2273657373696F6E73223A5B7B226964223A2261616161616161612D303030302D343030302D383030302D303030303030303030303061222C226C617374223A313737323434353637353030303030302C226C6F6361746564223A747275652C22696E74726F6475636564223A747275652C227475726E73223A312C227374616E6473223A312C22656E646564223A747275652C227469746C655F72616E6B223A312C227469746C655F6174223A313737323434353630303030303030307D5D2C2263757272656E74223A2261616161616161612D303030302D343030302D383030302D303030303030303030303061227D');
insert into source_file values (2, 'claude-code', '/home/sample/.claude/projects/sub-agent/aaaaaaaa-0000-4000-8000-00000000000a/subagents/agent-a1b2c3d4.jsonl', 66, 4170828, 2259, 2259, '83b6e10a071f5b59cf22f78297c9b461', 1795284727000000000, X'7B2273657373696F6E73223A5B7B226964223A2261616161616161612D303030302D343030302D383030302D3030303030303030303030612F6167656E742D6131623263336434222C22706172656E74223A2261616161616161612D303030302D343030302D383030302D303030303030303030303061222C226C617374223A313737323434353636383030303030302C226C6F6361746564223A747275652C22696E74726F6475636564223A747275652C227475726E73223A312C227374616E6473223A312C22656E646564223A747275652C227469746C655F72616E6B223A312C227469746C655F6174223A313737323434353636303030303030307D5D2C2263757272656E74223A2261616161616161612D303030302D343030302D383030302D3030303030303030303030612F6167656E742D6131623263336434227D');
insert into journal_stream values (1, 'qa');
insert into journal_stream values (2, 'trace');
insert into journal_stream values (3, 'messages');
insert into journal_head values (1, 8, 1, 'main', 8, 1, 1, 1780000000000001, 1, 0, 1780000000000000);
insert into journal_head values (1, 8, 2, 'main', 8, 1, 1, 1780000000000000, 1, 1, 1780000000000000);
insert into journal_head values (1, 8, 3, 'main', 8, 1, 1, 1780000000000000, 1, 0, 1780000000000000);
insert into journal_head values (1, 13, 1, 'main', 8, 1, 1, 1780000000000000, 1, 0, 1780000000000000);
insert into journal_head values (1, 13, 2, 'main', 8, 1, 1, 1780000000000000, 1, 0, 1780000000000000);
insert into journal_head values (1, 13, 3, 'main', 8, 2, 2, 1780000000000001, 2, 0, 1780000000000000);
insert into entry values (1, 8, 1, 1, 'asked', 8, NULL, 1779964000000000, 1, '{"question":"Löschen?","answer":"删除","context":"before","feedback_text":"fine","feedback_score":4,"used_graph_element_ids":null,"memify_metadata":{"feedback_weights_applied":false}}');
insert into entry values (1, 8, 2, 1, '01a2002d-2e8f-75a5-a913-450dea664663', 8, NULL, 1779964360000000, 2, '{"origin_function":"look","status":"error","memory_query":"","memory_context":"","method_params":{},"method_return_value":null,"error_message":"","session_feedback":"","started_at":null,"duration_s":null,"tool_name":null,"span_id":null,"error":"not there"}');
insert into entry values (1, 8, 3, 1, 'done', 8, NULL, 1779964720000000, 3, '{"role":"assistant","content":"done"}');
insert into entry values (1, 8, 3, 2, 'on', 13, NULL, 1779967960000000, 4, '{"role":"user","content":"and on"}');
insert into journal_state values (1, 8, 'seen', '{"n":[1,0.1,null]}');
insert into journal_state values (1, 13, 'seen', '{"n":[1,0.1,null]}');
insert into search_doc values (1, 1, 8, 1, 1);
insert into search_doc values (2, 1, 8, 2, 1);
insert into search_doc values (3, 1, 8, 3, 1);
insert into search_doc values (4, 1, 8, 3, 2);
delete from search_text_data;
insert into search_text_data values (1, X'040809');
insert into search_text_data values (10, X'00000000FF00000101040400040101010101000001020101020200000103010103030000010401010404000001');
insert into search_text_data values (137438953473, X'0000003608306C6F736368656E0106010102010472317838010203010275310102020103E588A001060101030103E999A40106010104040E09070A');
insert into search_text_data values (274877906945, X'0000003505306C6F6F6B020601010201036E6F74020601010301047231783802020301057468657265020601010401027531020202040B0A090C');
insert into search_text_data values (412316860417, X'0000001F0530646F6E65030601010201047231783803020301027531030202040B09');
insert into search_text_data values (549755813889, X'000000270430616E64040601010201026F6E040601010301047231783804020301027531040202040A0909');
delete from search_text_idx;
insert into search_text_idx values (1, X'', 2);
insert into search_text_idx values (2, X'', 2);
insert into search_text_idx values (3, X'', 2);
insert into search_text_idx values (4, X'', 2);
delete from search_text_docsize;
insert into search_text_docsize values (1, X'0203', 1);
insert into search_text_docsize values (2, X'0203', 2);
insert into search_text_docsize values (3, X'0201', 3);
insert into search_text_docsize values (4, X'0202', 4);
delete from search_text_config;
insert into search_text_config values ('version', 4);
delete from sqlite_stat1;
insert into sqlite_stat1 values ('entry', 'entry', '1000000 100000 1000 1000 1');
insert into sqlite_stat1 values ('entry', 'entry_by_id', '1000000 100000 1000 1000 1');
insert into sqlite_stat1 values ('entry', 'entry_by_parent', '10000 10000 1000 1000 2');
insert into sqlite_stat1 values ('journal_head', 'journal_head', '100000 10000 2 2 1');
insert into sqlite_stat1 values ('journal_head', 'journal_head_by_root', '100000 10000 3 2');
delete from sqlite_stat4;
CREATE UNIQUE INDEX session_by_id on session (session_id, user_no);
CREATE INDEX session_by_activity on session (user_no, status, last_activity_at, session_no);
CREATE INDEX session_by_activity_all on session (status, last_activity_at, user_no, session_no);
CREATE INDEX session_by_parent on session_info (parent_user_no, parent_id) where parent_id is not null;
CREATE INDEX source_file_by_identity on source_file (user_no, source, device, inode);
CREATE INDEX journal_head_by_root on journal_head (user_no, root_no, stream_no);
CREATE INDEX entry_by_id on entry (user_no, root_no, stream_no, entry_id);
CREATE INDEX entry_by_parent on entry (user_no, root_no, stream_no, parent) where parent is not null;
CREATE INDEX instance_open on instance (boot_id) where ended_at is null;
CREATE INDEX instance_ended on instance (ended_at) where ended_at is not null;
CREATE INDEX session_instance_by_instance on session_instance (instance_id, user_no, session_no);
CREATE INDEX account_by_parent on account (parent_no) where parent_no is not null;
CREATE INDEX slice_by_dataset on slice (dataset_id) where dataset_id <> '';
CREATE INDEX access_key_by_user on access_key (user_no);
CREATE INDEX note_by_age on note (expires_at);
CREATE INDEX usage_key_retracted on usage_key (user_no) where session_no = 0 and alias_of is null;
commit;
