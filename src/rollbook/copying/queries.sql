-- every --
-- All rows of a table, in the order of their keys.
select {selected} from {table} {whole} order by {keys}

-- part --
-- The same of one session, or of one journal.
select {selected} from {table} where {part} order by {keys}

-- add --
insert into {table} ({columns}) values {values}

-- drop --
delete from {table} where ({keys}) in (values {values})

-- figures --
-- How many rows there are and what their numbers and the lengths of their texts come to.
select count(*), {figures} from (select {selected} from {table} {whole}) as seen

-- any --
select 1 from {table} limit 1

-- settle --
-- After rows were added with numbers of their own.
select 1

-- learn --
-- Let the planner know of many new rows.
select 1

-- learn_texts --
select 1

-- add_texts --
-- The words of texts, which are numbered by their age.
insert into search_text (rowid, who, body) values {values}

-- drop_texts --
delete from search_text where ? > 0 and rowid = ?

-- drop_docs --
delete from search_doc where user_no = ? and doc_no = ?

-- fact --
select value from book_fact where name = :name

-- set_fact --
insert into book_fact (name, value) values (?, ?) on conflict (name) do update set value = excluded.value

-- drop_fact --
delete from book_fact where name = ?
