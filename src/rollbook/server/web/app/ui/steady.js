// Lists that change while somebody reads them: as long as the pointer or the focus is in one, nothing in it moves.

import { useRef, useState } from "../html.js";

// const steady = useSteady(rows, keyOf); <div ...${steady.hold}>${steady.rows.map(({ row, gone }) => …)}</div>
// While it is held, rows stay in their places, those that left stay too (gone: true), new ones come last.
export function useSteady(rows, keyOf) {
  const [held, setHeld] = useState(false);
  const order = useRef([]);
  const fresh = new Map(rows.map((row) => [keyOf(row), row]));
  const shown = held ? kept(order.current, fresh, keyOf) : rows.map((row) => ({ row, gone: false }));
  order.current = shown.map((each) => each.row);
  const leave = (event) => event.currentTarget.contains(event.relatedTarget) || setHeld(false);
  return {
    rows: shown,
    held,
    hold: { onPointerEnter: () => setHeld(true), onPointerLeave: leave, onFocusIn: () => setHeld(true), onFocusOut: leave },
  };
}

function kept(before, fresh, keyOf) {
  const known = new Set(before.map(keyOf));
  const stayed = before.map((row) => ({ row: fresh.get(keyOf(row)) ?? row, gone: !fresh.has(keyOf(row)) }));
  return [...stayed, ...[...fresh.values()].filter((row) => !known.has(keyOf(row))).map((row) => ({ row, gone: false }))];
}

export const keyOfSession = (session) => `${session.user_id} ${session.session_id}`;
