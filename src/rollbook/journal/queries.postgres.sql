-- doc_numbers --
select nextval('doc_numbers'), 64

-- add_texts --
insert into search_text (user_no, doc_no, created_at, size, words, counts) values {values}

-- drop_text_at --
delete from search_text where (user_no, doc_no) = (select user_no, doc_no from entry
    where user_no = ? and root_no = ? and stream_no = ? and position = ? and doc_no is not null)

-- drop_doc_at --
delete from search_doc where (user_no, doc_no) = (select user_no, doc_no from entry
    where user_no = ? and root_no = ? and stream_no = ? and position = ? and doc_no is not null)

-- wipe_texts --
delete from search_text

-- plan_search --
-- The index of words is always the best way to them, and keys to what they are of, whatever the server guesses.
select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true), set_config('work_mem', '32MB', true)

-- latest_texts --
-- Which text was written last, and how many words the latest ones have.
select coalesce(max(written), 0), coalesce(cast(avg(size) as double precision), 0) from (
    select written, size from search_text order by written desc limit 1000) latest

-- matches --
-- Of the texts that were written at some time those that may hold what is asked for, the latest first.
with hit as materialized (
    select user_no, doc_no, created_at, written from search_text
    where words @@ cast(:query as tsquery) and written > :after and written <= :last)
select user_no, doc_no, created_at from hit order by written desc limit :most

-- matched --
-- Of texts their entries, and where the words stand that are asked for.
select search_doc.user_no, search_doc.root_no, search_doc.stream_no, search_doc.position, entry.session_no,
    entry.created_at, search_text.size, search_text.counts,
    cast(ts_filter(setweight(search_text.words, 'A', cast(:whole as text[])
        || case when cardinality(cast(:begun as text[])) > 0 then array(
            select word from unnest(tsvector_to_array(search_text.words)) found(word)
            where word ^@ any(cast(:begun as text[]))) end), array['a'::"char"]) as text)
from unnest(cast(:users as bigint[]), cast(:docs as bigint[])) with ordinality as wanted(user_no, doc_no, place)
join search_text on search_text.user_no = wanted.user_no and search_text.doc_no = wanted.doc_no
join search_doc on search_doc.user_no = wanted.user_no and search_doc.doc_no = wanted.doc_no
join entry on entry.user_no = search_doc.user_no and entry.root_no = search_doc.root_no
    and entry.stream_no = search_doc.stream_no and entry.position = search_doc.position
order by wanted.place

-- seen_sessions --
select session.session_no, session.session_id, account.user_id, session_info.title
from json_array_elements_text(cast(:sessions as json)) wanted(number)
join session on session.user_no = :owner_no and session.session_no = cast(wanted.number as bigint)
join account on account.user_no = session.user_no
left join session_info on session_info.user_no = session.user_no and session_info.session_no = session.session_no
where session.status <> 5 and {scope} and {filters}

-- wrong_texts --
select search_doc.doc_no, 1 from search_doc
left join search_text on search_text.user_no = search_doc.user_no and search_text.doc_no = search_doc.doc_no
where search_text.doc_no is null
union all
select search_text.doc_no, 0 from search_text
left join search_doc on search_doc.user_no = search_text.user_no and search_doc.doc_no = search_text.doc_no
where search_doc.doc_no is null
