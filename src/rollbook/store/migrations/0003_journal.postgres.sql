-- The words of the texts and where in them they stand, cut in rollbook.rules.words. Whose a text is stands among them.
create table search_text (
    user_no bigint not null,
    doc_no bigint not null,
    written bigint generated always as identity,    -- numbers of texts are taken in blocks, so they tell no age
    created_at bigint not null,                     -- of the entry
    size bigint not null,                           -- words
    words tsvector not null,
    counts {text},                                  -- JSON: how often words are there whose places are not all kept
    primary key (user_no, doc_no)
);
-- New words wait in a list until there are so many (kB); whoever fills it waits until they are in their places.
create index search_text_by_word on search_text using gin (words) with (gin_pending_list_limit = 1024);
create index search_text_by_age on search_text (written);

alter table search_doc drop constraint search_doc_pkey, add primary key (user_no, doc_no);
