-- What a book needs to be kept for years: what was pruned and purged stays known, and files are found by identity.

-- How many ledger rows of a session are not there any more; ledger_rows goes on counting, as it numbers the rows.
alter table session add column pruned_rows bigint not null default 0;

-- What was removed and is not to come back: hashes of the ids of purged sessions, and of the names of calls that were
-- pruned or purged, each with its user's id.
create table purged (
    hash {bytes} not null primary key
) {clustered};

create index source_file_by_identity on source_file (user_no, source, device, inode);
