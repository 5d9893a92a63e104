// What the server tells, heard once for all tabs of a browser: it opens six connections to a server at most, and a stream
// for each tab would use them up. The tab that has the lock listens and passes on what it hears; when it goes, is hidden
// or cut off, another one has the lock; where it stands still (a debugger, a window of the browser that waits for an answer)
// the lock is taken from it. Browsers without locks (over HTTP from another machine) listen in each tab.

const EVENTS = "/api/v1/events";
const NAMES = ["ready", "change", "reset", "stop", "alive"];
const ASKS = "asks"; // a tab came: it asks where the others stand
const JOINED = "joined";
const ANSWERS_MS = 2000; // so soon does a tab that listens say where it stands

export class Stream {
  // whose: those who see the same are told the same; last(): the id of the last event that was seen, or null.
  // told({ name, data, id }): of each event; "joined": the others stand at id; "failed": it is over.
  // silent: nothing was heard for long; whoever has the lock says so soon or loses it.
  constructor(whose, last, told, silent) {
    Object.assign(this, { last, told, source: null, ready: false, channel: null, taking: 0, over: new AbortController() });
    if (!navigator.locks || !globalThis.BroadcastChannel) {
      this.listen();
      return;
    }
    const name = `rollbook ${new URL("..", import.meta.url).pathname} ${whose}`; // other versions may speak otherwise
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = ({ data }) => this.heard(data);
    this.channel.postMessage({ name: ASKS });
    this.wait(name, { signal: this.over.signal });
    if (silent) this.taking = setTimeout(() => this.source || this.wait(name, { steal: true }), ANSWERS_MS);
  }

  // (It is refused where it was ended before, and ends where another tab takes it: that one tells from then on.)
  wait(name, how) {
    navigator.locks.request(name, how, () => this.source || this.listen())
      .catch(() => this.over.signal.aborted || this.told({ name: "failed" }));
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
      return;
    }
    clearTimeout(this.taking);
    if (!this.source) this.told(event);
  }

  end() {
    clearTimeout(this.taking);
    this.over.abort();
    this.source?.close();
    this.channel?.close();
  }
}
