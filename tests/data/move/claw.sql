-- The table of claw-core's sessions, by the statements that write it.
create table sessions (id text primary key, started_at text not null, ended_at text);
