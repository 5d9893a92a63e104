-- stream_no --
select stream_no from journal_stream where name = :name

-- stream_name --
select name from journal_stream where stream_no = :stream_no

-- add_stream --
insert into journal_stream (name) values (?) on conflict (name) do nothing

-- drop_streams --
-- Names of streams that no session has any more: they may tell of what is gone.
delete from journal_stream where stream_no not in (select stream_no from journal_head)

-- roots_of --
-- Under which root the journals of sessions stand.
select user_no, session_no, max(root_no) from journal_head where (user_no, session_no) in (values {values})
group by user_no, session_no

-- heads_under --
-- Every head of every session under roots.
select user_no, root_no, session_no, stream_no, head, tip, length, revision, top, failed, changed_at from journal_head
where (user_no, root_no) in (values {values})

-- known_ids --
-- Which of these entries there are.
select user_no, root_no, stream_no, entry_id from entry
where (user_no, root_no, stream_no, entry_id) in (values {values})

-- head_of --
select tip, length, revision, top, failed, changed_at, root_no from journal_head
where user_no = :user_no and session_no = :session_no and stream_no = :stream_no and head = :head

-- heads_of_stream --
select session_no, head, tip, length, revision, top, failed, changed_at from journal_head
where user_no = :user_no and root_no = :root_no and stream_no = :stream_no

-- heads_of_session --
select journal_stream.name, head, tip, length, revision, top, failed, changed_at from journal_head
join journal_stream on journal_stream.stream_no = journal_head.stream_no
where user_no = :user_no and session_no = :session_no

-- lines_by_id --
select position, entry_id, session_no, parent, created_at, body from entry
where user_no = :user_no and root_no = :root_no and stream_no = :stream_no and entry_id = :entry_id order by position

-- line_at --
select position, entry_id, session_no, parent, created_at, body from entry
where user_no = :user_no and root_no = :root_no and stream_no = :stream_no and position = :position

-- lines_below --
select position, entry_id, session_no, parent, created_at, body from entry
where user_no = :user_no and root_no = :root_no and stream_no = :stream_no and position < :position
order by position desc limit :most

-- line_above --
select position, entry_id, session_no, parent, created_at, body from entry
where user_no = :user_no and root_no = :root_no and stream_no = :stream_no and position > :position
order by position limit 1

-- lines_behind --
select position, entry_id, session_no, parent, created_at, body from entry
where user_no = :user_no and root_no = :root_no and stream_no = :stream_no and parent = :position

-- branches --
-- Where lines of a stream branch.
select position, parent from entry
where user_no = :user_no and root_no = :root_no and stream_no = :stream_no and parent >= 0

-- positions --
select position, parent from entry
where user_no = :user_no and root_no = :root_no and stream_no = :stream_no order by position

-- state_of --
select name, value from journal_state where user_no = :user_no and session_no = :session_no

-- value_of --
select value from journal_state where user_no = :user_no and session_no = :session_no and name = :name

-- session_of --
-- The number of a session, and its status.
select session_no, status from session where session_id = :session_id and user_no = :user_no

-- root_of --
select root_no from journal_head where user_no = :user_no and session_no = :session_no limit 1

-- doc_numbers --
-- The number of the next text, and how many numbers may follow it.
select coalesce(max(doc_no), 0) + 1, 4611686018427387904 from search_doc

-- doc_at --
select doc_no from entry
where user_no = :user_no and root_no = :root_no and stream_no = :stream_no and position = :position

-- save_heads --
insert into journal_head (user_no, session_no, stream_no, head, root_no, tip, length, revision, top, failed, changed_at)
values {values}
on conflict (user_no, session_no, stream_no, head) do update set root_no = excluded.root_no, tip = excluded.tip,
    length = excluded.length, revision = excluded.revision, top = excluded.top, failed = excluded.failed,
    changed_at = excluded.changed_at

-- drop_heads --
delete from journal_head where user_no = ? and session_no = ? and stream_no = ? and head = ?

-- add_lines --
insert into entry (user_no, root_no, stream_no, position, entry_id, session_no, parent, created_at, doc_no, body)
values {values}

-- change_line --
update entry set session_no = ?, parent = ?, body = ?, doc_no = ?
where user_no = ? and root_no = ? and stream_no = ? and position = ?

-- drop_lines --
delete from entry where user_no = ? and root_no = ? and stream_no = ? and position = ?

-- save_state --
insert into journal_state (user_no, session_no, name, value) values {values}
on conflict (user_no, session_no, name) do update set value = excluded.value

-- drop_state --
delete from journal_state where user_no = ? and session_no = ? and name = ?

-- drop_user_state --
-- What is kept of a user beside sessions.
delete from journal_state where user_no = ? and session_no = 0

-- add_docs --
insert into search_doc (doc_no, user_no, root_no, stream_no, position) values {values}

-- add_texts --
insert into search_text (rowid, who, body) values {values}

-- drop_text_at --
-- What a search finds an entry by; before the entry and its place are dropped.
delete from search_text where rowid = (select doc_no from entry
    where user_no = ? and root_no = ? and stream_no = ? and position = ? and doc_no is not null)

-- drop_doc_at --
delete from search_doc where doc_no = (select doc_no from entry
    where user_no = ? and root_no = ? and stream_no = ? and position = ? and doc_no is not null)

-- add_outbox --
-- No two notes of a session have one time, so that who carried one out does not take the next one away.
insert into journal_outbox (user_id, session_id, at, since) values {values} on conflict (user_id, session_id)
do update set at = case when excluded.at > journal_outbox.at then excluded.at else journal_outbox.at + 1 end,
    since = excluded.since

-- drop_outbox --
delete from journal_outbox where user_id = ? and session_id = ? and at = ?

-- outbox --
select user_id, session_id, at, since from journal_outbox
where (user_id, session_id) > (:after_user, :after_session)
order by user_id, session_id limit :most

-- outbox_of --
select user_id, session_id, at, since from journal_outbox where user_id = :user_id and session_id = :session_id

-- known_session --
-- Whether a session is in the book, or is to be removed elsewhere.
select 1 from account join session on session.user_no = account.user_no
where account.user_id = :user_id and session.session_id = :session_id and session.status <> 5
union all
select 1 from journal_outbox where user_id = :user_id and session_id = :session_id

-- count_outbox --
select count(*) from journal_outbox

-- book_fact --
select value from book_fact where name = :name

-- add_book_fact --
insert into book_fact (name, value) values (?, ?) on conflict (name) do nothing

-- deleted --
-- Whether a session was deleted or purged.
select 1 from account join session on session.user_no = account.user_no
where account.user_id = :user_id and session.session_id = :session_id and session.status = 5
union all
select 1 from purged where hash = :hash

-- kept_sessions --
-- How many sessions have a journal.
select count(*) from (select user_no, session_no from journal_head
    union select user_no, session_no from journal_state where session_no > 0) kept

-- wipe_heads --
delete from journal_head

-- wipe_entries --
delete from entry

-- wipe_state --
delete from journal_state

-- wipe_docs --
delete from search_doc

-- wipe_texts --
insert into search_text (search_text) values ('delete-all')

-- every_head --
-- Every head, stream by stream.
select user_no, root_no, stream_no, session_no, head, tip, length, top from journal_head
order by user_no, root_no, stream_no

-- every_count --
-- How many entries every stream has, and how far it goes.
select user_no, root_no, stream_no, count(*), max(position) from entry group by user_no, root_no, stream_no
order by user_no, root_no, stream_no

-- every_branch --
-- The streams that branch.
select distinct user_no, root_no, stream_no from entry where parent is not null

-- every_body --
-- Every body of an entry, which should be JSON.
select user_no, root_no, stream_no, entry_id, body from entry

-- every_value --
-- Every value of the state, which should be JSON.
select user_no, session_no, name, value from journal_state

-- matches --
-- Entries that hold what is asked for, the latest first. The index knows the words of each user apart.
select search_doc.user_no, search_doc.root_no, search_doc.stream_no, search_doc.position, entry.session_no,
    entry.created_at, relevance(search_text)
from search_text cross join search_doc on search_doc.doc_no = search_text.rowid
cross join entry on entry.user_no = search_doc.user_no and entry.root_no = search_doc.root_no
    and entry.stream_no = search_doc.stream_no and entry.position = search_doc.position
where search_text match :query order by search_text.rowid desc limit :most

-- matches_since --
-- The same of entries written since a time, among so many of the latest that fit.
select search_doc.user_no, search_doc.root_no, search_doc.stream_no, search_doc.position, entry.session_no,
    entry.created_at, relevance(search_text)
from search_text cross join search_doc on search_doc.doc_no = search_text.rowid
cross join entry on entry.user_no = search_doc.user_no and entry.root_no = search_doc.root_no
    and entry.stream_no = search_doc.stream_no and entry.position = search_doc.position
where search_text match :query and entry.created_at >= :since and search_text.rowid > coalesce((
    select rowid from search_text where search_text match :query order by rowid desc limit 1 offset :most), 0)
order by search_text.rowid desc

-- seen_sessions --
-- Of some sessions of a user those that may be shown, with their titles.
select session.session_no, session.session_id, account.user_id, session_info.title
from json_each(cast(:sessions as text)) wanted
join session on session.user_no = :owner_no and session.session_no = wanted.value
join account on account.user_no = session.user_no
left join session_info on session_info.user_no = session.user_no and session_info.session_no = session.session_no
where session.status <> 5 and {scope} and {filters}

-- wrong_docs --
-- Texts without their entry, and entries whose text is of another one or not there.
select search_doc.doc_no, search_doc.user_no, search_doc.root_no, 0 from search_doc
left join entry on entry.user_no = search_doc.user_no and entry.root_no = search_doc.root_no
    and entry.stream_no = search_doc.stream_no and entry.position = search_doc.position
where entry.doc_no is null or entry.doc_no <> search_doc.doc_no
union all
select entry.doc_no, entry.user_no, entry.root_no, 1 from entry
left join search_doc on search_doc.user_no = entry.user_no and search_doc.doc_no = entry.doc_no
where entry.doc_no is not null and search_doc.doc_no is null

-- wrong_texts --
-- Texts whose words are not in the index, and words of none.
select search_doc.doc_no, 1 from search_doc
left join search_text_docsize on search_text_docsize.id = search_doc.doc_no where search_text_docsize.id is null
union all
select search_text_docsize.id, 0 from search_text_docsize
left join search_doc on search_doc.doc_no = search_text_docsize.id where search_doc.doc_no is null

-- merge_texts --
-- A step towards an index that holds no words of texts that are gone; pages of it at the most.
insert into search_text (search_text, rank) values ('merge', -500)
