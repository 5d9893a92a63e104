// What the server tells, heard once for all tabs of a browser: it opens six connections to a server at most, and a stream
// for each tab would use them up. The tab that has the lock listens and passes on what it hears; when it goes, is hidden
// or cut off, another one has the lock. Browsers without locks (over HTTP from another machine) listen in each tab.

const EVENTS = "/api/v1/events";
const NAMES = ["ready", "change", "reset", "stop", "alive"];
const ASKS = "asks"; // a tab came: it asks where the others stand
const JOINED = "joined";

export class Stream {
  // whose: those who see the same are told the same; last(): the id of the last event that was seen, or null.
  // told({ name, data, id }): of each event; "joined": the others stand at id; "failed": it is over.
  constructor(whose, last, told) {
    Object.assign(this, { last, told, source: null, ready: false, channel: null, over: new AbortController() });
    if (!navigator.locks || !globalThis.BroadcastChannel) {
      this.listen();
      return;
    }
    const name = `rollbook ${new URL("..", import.meta.url).pathname} ${whose}`; // other versions may speak otherwise
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = ({ data }) => this.heard(data);
    this.channel.postMessage({ name: ASKS });
    navigator.locks.request(name, { signal: this.over.signal }, () => this.listen()).catch(() => {}); // it was ended before
  }

  // Holds the lock for as long as it listens.
  listen() {
    const last = this.last();
    this.source = new EventSource(last ? `${EVENTS}?after=${encodeURIComponent(last)}` : EVENTS);
    for (const name of NAMES) this.source.addEventListener(name, ({ data, lastEventId: id }) => this.pass({ name, data, id }));
    this.source.addEventListener("error", () => this.pass({ name: "failed" }));
    return new Promise((done) => this.over.signal.addEventListener("abort", done));
  }

  pass(event) {
    this.channel?.postMessage(event);
    if (event.name === "ready") this.ready = true;
    this.told(event);
  }

  heard(event) {
    if (event.name === ASKS) {
      if (this.ready) this.channel.postMessage({ name: JOINED, id: this.last() });
    } else if (!this.source) this.told(event);
  }

  end() {
    this.over.abort();
    this.source?.close();
    this.channel?.close();
  }
}
