-- The words of the texts, by user and root. The texts themselves are in the entries. Case, accents and scripts without
-- spaces are seen to before (rollbook.rules.words), and marks such as vowel signs are parts of words.
create virtual table search_text using fts5(who, body, content='', contentless_delete=1,
    tokenize="unicode61 remove_diacritics 0 categories 'L* N* Co M*'");

-- Figures for the planner, which would otherwise take the primary key for as good as the index that was made for the
-- question. They are of a middling book, and nothing but the choice of an index depends on them.
analyze label;
insert into sqlite_stat1 (tbl, idx, stat) values
    ('entry', 'entry', '1000000 100000 1000 1000 1'),
    ('entry', 'entry_by_id', '1000000 100000 1000 1000 1'),
    ('entry', 'entry_by_parent', '10000 10000 1000 1000 2'),
    ('journal_head', 'journal_head', '100000 10000 2 2 1'),
    ('journal_head', 'journal_head_by_root', '100000 10000 3 2');
analyze sqlite_schema;
