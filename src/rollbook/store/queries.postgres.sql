-- has_table --
-- (Asked of the tables themselves: what a name stands for is remembered, also that it stood for nothing.)
select count(*) > 0 from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where nspname = :schema and relname = 'rollbook_schema'

-- take_turn --
-- One process at a time makes or changes a schema.
select pg_advisory_xact_lock(hashtextextended('rollbook schema ' || cast(:schema as text), 0))

-- keep_writers_out --
-- The lock of the whole book, also of one whose schema has no function for it yet.
select pg_advisory_xact_lock(hashtextextended('rollbook ' || current_schema(), 0))

-- foreign_tables --
-- What stands in a schema that is not a book.
select count(*) from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where nspname = :schema and relkind in ('r', 'v', 'm', 'p', 'S')

-- schema_version --
select version, oldest_writer from rollbook_schema

-- save_version --
insert into rollbook_schema (one, version, oldest_writer) values (1, :version, :oldest)
on conflict (one) do update set version = excluded.version, oldest_writer = excluded.oldest_writer

-- names_in --
-- What stands in a schema.
select relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace where nspname = :schema
union all
select proname from pg_proc join pg_namespace on pg_namespace.oid = pronamespace where nspname = :schema

-- setting --
select current_setting(:name)

-- columns --
-- The columns of the tables as they stand, with the numbers of their types and of the tables' own.
select cast(relname as text), cast(reltype as bigint), cast(attname as text), cast(atttypid as bigint)
from pg_attribute join pg_class on pg_class.oid = attrelid join pg_namespace on pg_namespace.oid = relnamespace
where nspname = current_schema() and relkind in ('r', 'p') and attnum > 0 and not attisdropped
order by relname, attnum
