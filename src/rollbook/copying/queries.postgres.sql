-- settle --
-- Numbers that are given out from now on are higher than all that are there.
select setval(pg_get_serial_sequence('account', 'user_no'), (select coalesce(max(user_no), 0) + 1 from account)),
    setval(pg_get_serial_sequence('model', 'model_no'), (select coalesce(max(model_no), 0) + 1 from model)),
    setval(pg_get_serial_sequence('label', 'label_no'), (select coalesce(max(label_no), 0) + 1 from label)),
    setval(pg_get_serial_sequence('slice', 'slice_no'), (select coalesce(max(slice_no), 0) + 1 from slice)),
    setval(pg_get_serial_sequence('journal_stream', 'stream_no'),
        (select coalesce(max(stream_no), 0) + 1 from journal_stream)),
    setval(pg_get_serial_sequence('search_text', 'written'), (select coalesce(max(written), 0) + 1 from search_text)),
    setval('doc_numbers', (select coalesce(max(doc_no), 0) + 1 from search_doc)),
    setval('session_numbers', (select coalesce(max(number), 0) + 1 from (
        select max(session_no) as number from session union all select max(last_session_no) from account) numbers))

-- learn --
analyze {table}

-- learn_texts --
analyze search_doc, search_text

-- add_texts --
insert into search_text (user_no, doc_no, written, created_at, size, words, counts) overriding system value
values {values}

-- drop_texts --
delete from search_text where user_no = ? and doc_no = ?
