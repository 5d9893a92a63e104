-- The words of the texts, by user and root. The texts themselves are in the entries. Case, accents and scripts without
-- spaces are seen to before (rollbook.rules.words), and marks such as vowel signs are parts of words.
create virtual table search_text using fts5(who, body, content='', contentless_delete=1,
    tokenize="unicode61 remove_diacritics 0 categories 'L* N* Co M*'");
