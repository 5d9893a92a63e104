// What is written and not sent yet. It outlives the page, as long as the tab is there: whoever has to sign in again finds
// it where it was.

import { me } from "./people.js";

const KEPT = "rollbook.drafts";

// The drafts of one place, by key: values that JSON can hold.
export class Drafts {
  constructor(place) {
    this.name = `${KEPT} ${me.value.user_id} ${place}`;
    this.all = new Map(remembered(this.name));
  }

  get(key) { return this.all.get(key); }

  set(key, value) {
    this.all.set(key, value);
    this.keep();
  }

  delete(key) {
    this.all.delete(key);
    this.keep();
  }

  keep() {
    try {
      if (this.all.size) sessionStorage.setItem(this.name, JSON.stringify([...this.all]));
      else sessionStorage.removeItem(this.name);
    } catch {
      // a browser that keeps nothing, or no more: they are here all the same
    }
  }
}

function remembered(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name)) ?? [];
  } catch {
    return [];
  }
}
