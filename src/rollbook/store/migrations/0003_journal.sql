-- What sessions contain: entries in streams, heads of lines of entries, state, and what a search finds them by.

-- Names of streams; one that no head has any more is purged, since it may tell of a project.
create table journal_stream (
    stream_no {identity},
    name {text} not null unique
);

-- A line of entries in a stream of a session. Entries stand under a root: the session itself, or the one that it was
-- forked from.
create table journal_head (
    user_no bigint not null,
    session_no bigint not null,
    stream_no bigint not null,
    head {text} not null,
    root_no bigint not null,
    tip bigint not null,                -- position of the newest entry, 0: none
    length bigint not null,
    revision bigint not null,
    top bigint not null,                -- the highest position that the stream ever had
    failed bigint not null,             -- failed steps ever appended
    changed_at bigint not null,
    primary key (user_no, session_no, stream_no, head)
) {clustered};
create index journal_head_by_root on journal_head (user_no, root_no, stream_no);

create table entry (
    user_no bigint not null,
    root_no bigint not null,
    stream_no bigint not null,
    position bigint not null,
    entry_id {text} not null,
    session_no bigint not null,         -- who wrote it
    parent bigint,                      -- position. null: the entry before it in the stream, 0: none
    created_at bigint not null,
    doc_no bigint,                      -- what a search finds it by
    body {text} not null,                 -- JSON, as it was given
    primary key (user_no, root_no, stream_no, position)
) {clustered};
create index entry_by_id on entry (user_no, root_no, stream_no, entry_id);
create index entry_by_parent on entry (user_no, root_no, stream_no, parent) where parent is not null;

-- JSON by key. Session 0 is the user's own.
create table journal_state (
    user_no bigint not null,
    session_no bigint not null,
    name {text} not null,
    value {text} not null,
    primary key (user_no, session_no, name)
) {clustered};

-- Where a text that a search finds stands.
create table search_doc (
    doc_no bigint not null primary key,
    user_no bigint not null,
    root_no bigint not null,
    stream_no bigint not null,
    position bigint not null
) {clustered};

-- (session.flags has a second bit, 2: something of the session is kept outside this database.)

-- Sessions whose contents are to be removed from a place for journals outside this database.
create table journal_outbox (
    user_id {text} not null,
    session_id {text} not null,
    at bigint not null,                 -- when it was noted
    since bigint,                       -- what was changed from then on stays: the session, or its user, lives on
    primary key (user_id, session_id)
) {clustered};

-- What is known of the book itself. id: by what a place for journals outside knows whose it is.
create table book_fact (
    name {text} not null primary key,
    value {text} not null
) {clustered};

-- The highest number that a purged session of the user had: what is kept under a number is not found by another session.
alter table account add column last_session_no bigint not null default 0;
