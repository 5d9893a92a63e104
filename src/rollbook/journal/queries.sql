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
select tip, length, revision, top, failed, changed_at from journal_head
where user_no = :user_no and session_no = :session_no and stream_no = :stream_no and head = :head

-- heads_of_stream --
select session_no, head, tip, length, revision, top, failed, changed_at from journal_head
where user_no = :user_no and root_no = :root_no and stream_no = :stream_no

-- heads_of_session --
select label.name, head, tip, length, revision, top, failed, changed_at from journal_head
join label on label.label_no = journal_head.stream_no
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

-- positions --
select position, parent from entry
where user_no = :user_no and root_no = :root_no and stream_no = :stream_no order by position

-- state_of --
select name, value from journal_state where user_no = :user_no and session_no = :session_no

-- place_of --
-- The number of a session that is not deleted, and its user's.
select session.user_no, session.session_no from account join session on session.user_no = account.user_no
where account.user_id = :user_id and session.session_id = :session_id and session.status <> 5

-- root_of --
select root_no from journal_head where user_no = :user_no and session_no = :session_no limit 1

-- last_doc_no --
select coalesce(max(doc_no), 0) from search_doc

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
delete from journal_state where user_no = ? and not exists (select 1 from session where user_no = ?)

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
insert into journal_outbox (user_id, session_id, at) values {values} on conflict (user_id, session_id) do nothing

-- drop_outbox --
delete from journal_outbox where user_id = ? and session_id = ?

-- outbox --
select user_id, session_id from journal_outbox order by at

-- deleted --
-- Whether a session was deleted.
select 1 from account join session on session.user_no = account.user_no
where account.user_id = :user_id and session.session_id = :session_id and session.status = 5
