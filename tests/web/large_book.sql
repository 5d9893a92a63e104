-- Of each session so many copies (:copies), without its calls: of the same user, slice and status, and last active in the
-- same quarter of an hour, so that sums of any time are those of the originals, with so many times their sessions. Their
-- numbers follow those of the originals (:apart is above every one of these), and so does what is written in order.

create temp table copy (copy_no integer primary key);
insert into temp.copy
    with recursive counter (n) as (select 1 union all select n + 1 from counter where n < :copies)
    select n from counter;

create temp table original as
select session.*, last_activity_at - last_activity_at % 900000000 as quarter, agent from session join slice using (slice_no);
create index temp.original_of on original (user_no, session_no);

insert into session (user_no, session_no, session_id, status, slice_no, started_at, last_activity_at, ended_at, last_sign,
    attempt, attempt_started_at, agent_time, turns, calls, tokens_in, tokens_out, cache_read, cache_write, reasoning, cost,
    unpriced, call_errors, step_errors, late_calls, late_rows, ledger_rows, last_model_no, last_model_at, flags, life)
select user_no, session_no + copy_no * :apart, copy_no || '/' || substr(session_id, 25), status, slice_no, started_at + later,
    last_activity_at + later, ended_at + later, last_sign + later, attempt, attempt_started_at + later, agent_time, turns, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    case status when 0 then '' when 4 then printf('[[%d,2,4,"","reconcile"]]', last_activity_at + later)
        else printf('[[%d,0,%d,"","client"]]', last_activity_at + later, status) end
from (
    select account.user_no as user_no, original.*, copy_no,
        case when quarter + (last_activity_at % 900000000 + copy_no * 17000017) % 900000000 <= :now
            then (last_activity_at % 900000000 + copy_no * 17000017) % 900000000 - last_activity_at % 900000000 else 0 end
            as later
    from account cross join temp.copy cross join temp.original on original.user_no = account.user_no
);

insert into session_info (user_no, session_no, facts)
select user_no, session_no, printf('{"agent":[%d,"%s"]}', started_at, agent)
from session join slice using (user_no, slice_no) where session_no > :apart;

update activity set sessions = sessions * (:copies + 1), agent_time = agent_time * (:copies + 1);
