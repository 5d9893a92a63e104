-- The words of the texts, by user. The texts themselves are in the entries; what is removed leaves no words behind.
create virtual table search_text using fts5(who, body, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2');
insert into search_text (search_text, rank) values ('secure-delete', 1);
