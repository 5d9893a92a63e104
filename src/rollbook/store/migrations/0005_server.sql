-- What a server needs: who may ask for what, and notes about what arrives in parts.

-- Whose child user this is; a user's sessions are seen by the one above.
alter table account add column parent_no bigint;
create index account_by_parent on account (parent_no) where parent_no is not null;

create index slice_by_dataset on slice (dataset_id) where dataset_id <> '';

-- What somebody shows to be let in. The secret itself is not kept.
create table access_key (
    key_id {text} not null primary key,
    secret_hash {bytes} not null,         -- SHA-256
    user_no bigint not null,
    role smallint not null,             -- 0 reader, 1 writer, 2 admin
    label {text} not null,
    created_at bigint not null,
    expires_at bigint,
    revoked_at bigint
) {clustered};
create index access_key_by_user on access_key (user_no);

-- Datasets that a user, or who comes with a key, may read, or read and write.
create table dataset_grant (
    holder {text} not null,               -- "user:" and the user's id, or "key:" and the key's
    dataset_id {text} not null,
    may_write smallint not null,
    created_at bigint not null,
    primary key (holder, dataset_id)
) {clustered};

-- What is remembered for a while between what arrives in parts: of traces, of metrics' series, of requests that may come
-- again, of who signed in.
create table note (
    user_no bigint not null,
    room {text} not null,
    name {text} not null,
    version bigint not null,            -- grows with every change
    value {text} not null,                -- JSON
    expires_at bigint not null,
    primary key (user_no, room, name)
) {clustered};
create index note_by_age on note (expires_at);

-- Names of what was retracted before, or without, being reported.
create index usage_key_retracted on usage_key (user_no) where session_no = 0 and alias_of is null;
