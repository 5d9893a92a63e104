-- What several writers at once need.

-- Grows with every change of the session, of its facts and of its journal: who remembers an earlier one has to look anew.
alter table session add column version bigint not null default 0;
