
-- Slices were numbered by hand.
select setval(pg_get_serial_sequence('slice', 'slice_no'), (select coalesce(max(slice_no), 0) + 1 from slice));
