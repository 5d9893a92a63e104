// Who asks, and what users are called: sessions name them by ids.

import { signal } from "./html.js";
import { get } from "./api.js";
import { shortId } from "./format.js";

const LOCAL = "00000000-0000-5000-8000-000000000001"; // whoever works on the server's machine without saying a name

// { user_id, user_name, role, everybody, key_id, … } of GET /api/v1/me; null until it is known.
export const me = signal(null);
const names = signal(new Map());
const AGAIN_MS = 60000; // users come to be while one looks
let asked = -AGAIN_MS;

export const isAdmin = () => me.value?.role === "admin";
export const mayWrite = () => me.value?.role === "admin" || me.value?.role === "writer";

export async function meet() {
  me.value = await get("/api/v1/me");
  learn([me.value]);
}

// Somebody else may have signed in since, in another tab: what is shown here is not theirs.
export async function meetAgain(options) {
  const { user_id: user, key_id: key, role } = await get("/api/v1/me", {}, options);
  const known = me.value;
  if (known && (known.user_id !== user || known.key_id !== key || known.role !== role)) location.reload();
}

// Keep names that some answer tells: lines with user_id and user_name.
export function learn(lines) {
  const fresh = lines.filter((line) => line.user_name && names.value.get(line.user_id) !== line.user_name);
  if (!fresh.length) return;
  const next = new Map(names.value);
  for (const line of fresh) next.set(line.user_id, line.user_name);
  names.value = next;
}

// What a user is called, as far as it is known; reading it draws whoever does anew once more is.
export function userName(userId) {
  const known = names.value.get(userId);
  if (known === undefined && performance.now() - asked > AGAIN_MS) {
    asked = performance.now();
    queueMicrotask(inquire);
  }
  return known ?? (userId === LOCAL ? "local user" : shortId(userId));
}

async function inquire() {
  try {
    learn((await get("/api/v1/users")).users);
  } catch {
    // ids stand for the names, then
  }
}
