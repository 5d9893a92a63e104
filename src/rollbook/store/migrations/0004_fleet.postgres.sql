-- Numbers of sessions and of texts are taken in blocks, so that writers do not wait for each other.
create sequence session_numbers increment 64 minvalue 1;
create sequence doc_numbers increment 64 minvalue 1;

-- Numbers of writing connections; and the last transaction that each of them kept, by which one whose answer was lost
-- is settled.
create sequence lane_numbers;
create table lane (
    lane_no bigint primary key,
    batch bigint not null,
    at bigint not null
) with (fillfactor = 50);
create index lane_by_time on lane (at);

-- Of everybody's sessions those of an id.
create index session_by_name on session (session_id);

-- Sums change in place as long as their pages have room, and old versions of rows are cleared away early.
alter table spend set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
alter table activity set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
alter table activity_model set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
alter table model_usage set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
alter table session set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
alter table journal_head set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
alter table ledger set (autovacuum_vacuum_scale_factor = 0.02);
alter table usage_key set (autovacuum_vacuum_scale_factor = 0.02);

-- Both in one answer: the lock, and what was true when it was there.
create function join_writers() returns bigint language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended('rollbook ' || current_schema(), 0));
    return coalesce((select cast(value as bigint) from book_fact where name = 'generation'), 0);
end $$;

create function write_alone() returns bigint language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('rollbook ' || current_schema(), 0));
    return coalesce((select cast(value as bigint) from book_fact where name = 'generation'), 0);
end $$;
