
-- The schema's number, and that of the oldest library that may write to it.
create table rollbook_schema (
    one smallint primary key,
    version bigint not null,
    oldest_writer bigint not null
);
