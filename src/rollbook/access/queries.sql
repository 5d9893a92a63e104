-- key_by_id --
-- A key with its user.
select access_key.secret_hash, account.user_id, account.name, access_key.role, access_key.expires_at,
    access_key.revoked_at
from access_key join account on account.user_no = access_key.user_no where access_key.key_id = :key_id

-- keys --
-- Every key, the newest first.
select access_key.key_id, account.user_id, account.name, access_key.role, access_key.label, access_key.created_at,
    access_key.expires_at, access_key.revoked_at
from access_key join account on account.user_no = access_key.user_no
order by access_key.created_at desc, access_key.key_id

-- usable_keys --
select 1 from access_key where revoked_at is null and (expires_at is null or expires_at > :now) limit 1

-- grants --
-- Every grant.
select holder, dataset_id, may_write, created_at from dataset_grant order by holder, dataset_id

-- grants_of --
select holder, dataset_id, may_write from dataset_grant where holder in (:user_holder, :key_holder)

-- children --
-- The users under one.
select child.user_id from account child join account parent on parent.user_no = child.parent_no
where parent.user_id = :user_id

-- families --
-- Every user that stands under another one.
select child.user_id, child.name, parent.user_id, parent.name
from account child join account parent on parent.user_no = child.parent_no order by parent.user_id, child.user_id

-- parent_no --
select parent_no from account where user_no = :user_no

-- has_children --
select 1 from account where parent_no = :user_no limit 1

-- add_key --
insert into access_key (key_id, secret_hash, user_no, role, label, created_at, expires_at) values (?, ?, ?, ?, ?, ?, ?)

-- key_is_there --
select 1 from access_key where key_id = :key_id and revoked_at is null

-- revoke_key --
update access_key set revoked_at = ? where key_id = ? and revoked_at is null

-- add_grant --
insert into dataset_grant (holder, dataset_id, may_write, created_at) values (?, ?, ?, ?)
on conflict (holder, dataset_id) do update set may_write = excluded.may_write

-- grant_is_there --
select 1 from dataset_grant where holder = :holder and dataset_id = :dataset_id

-- drop_grant --
delete from dataset_grant where holder = ? and dataset_id = ?

-- set_parent --
update account set parent_no = ? where user_no = ?
