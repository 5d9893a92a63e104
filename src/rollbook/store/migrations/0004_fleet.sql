-- What several writers at once need.

-- Grows with every change of the session, of its facts and of its journal: who remembers an earlier one has to look anew.
alter table session add column version bigint not null default 0;

-- Which process runs which session, so that a crash is told from silence.

-- A process that runs sessions of this book, or died running some. Host names are shown and decide nothing.
create table instance (
    instance_id {text} not null primary key,
    host {text} not null,
    boot_id {text} not null,              -- of the machine's boot, empty: not known
    pid_namespace {text} not null,        -- within which the pid is the process's, empty: not known
    pid bigint not null,
    started {text} not null,              -- when the process started, in clock ticks since the boot, empty: not known
    registered_at bigint not null,
    beat bigint not null,               -- how often it has been heard of
    beat_at bigint not null,
    lease_us bigint not null,           -- silence after which it is presumed dead, 0: it never beats
    ended_at bigint                     -- when it was presumed dead, a beat afterwards takes that back
) {clustered};
create index instance_open on instance (boot_id) where ended_at is null;
create index instance_ended on instance (ended_at) where ended_at is not null;

-- The instance that runs a session, or ran it last. loose: only while something happens, not until it lets go.
create table session_instance (
    user_no bigint not null,
    session_no bigint not null,
    instance_id {text} not null,
    loose smallint not null,
    primary key (user_no, session_no)
) {clustered};
create index session_instance_by_instance on session_instance (instance_id, user_no, session_no);
