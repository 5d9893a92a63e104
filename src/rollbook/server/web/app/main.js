// The dashboard: what stands around every page, and which page is shown.

import { html, render, useEffect, useErrorBoundary, useLayoutEffect, useState } from "./html.js";
import { route, follow } from "./state.js";
import { listen } from "./live.js";
import { startClock } from "./clock.js";
import { fetched } from "./fetched.js";
import { meet, me } from "./people.js";
import { Header } from "./ui/header.js";
import { Failure, Loading } from "./ui/states.js";
import { Toasts } from "./ui/toast.js";

const PAGES = {
  fleet: () => import("./pages/fleet.js"),
  sessions: () => import("./pages/sessions.js"),
  session: () => Promise.all([import("./pages/session.js"), fetched("style/session.css")]).then(([module]) => module),
  compare: () => import("./pages/compare.js"),
  settings: () => import("./pages/settings.js"),
};
const TITLES = { fleet: "Fleet", sessions: "Sessions", session: "Session", compare: "Compare", settings: "Settings", unknown: "Not found" };

const loaded = new Map();

function usePage(name) {
  const [, drawn] = useState(0);
  // (Before effects of the page that is shown: its style may depend on it.)
  useLayoutEffect(() => { document.body.dataset.page = name; }, [name]);
  useEffect(() => {
    document.title = `${TITLES[name]} · Rollbook`;
    if (loaded.has(name) || !PAGES[name]) return;
    PAGES[name]().then((module) => loaded.set(name, module.default), (error) => loaded.set(name, failedToLoad(error)))
      .then(() => drawn((turn) => turn + 1));
  }, [name]);
  return loaded.get(name);
}

// The server is another one by now, and has other modules: the page is to be loaded anew.
function failedToLoad(error) {
  return () => html`<${Failure} error=${error} what="This page cannot be loaded." again=${() => location.reload()} />`;
}

function Page() {
  const { name, path } = route.value;
  const Shown = usePage(name);
  const [error, forget] = useErrorBoundary();
  useEffect(forget, [path]);
  if (name === "unknown") return html`<${Failure} what="There is no such page." error=${new Error(path)} />`;
  if (error) return html`<${Failure} error=${error} what="This page is broken." again=${() => location.reload()} />`;
  return Shown ? html`<${Shown} key=${name} />` : html`<${Loading} rows=${8} />`;
}

function App() {
  return html`
    <a class="skip" href="#main">Skip to the page</a>
    <${Header} />
    <main id="main" tabindex="-1"><${Page} /></main>
    <${Toasts} />`;
}

function Beginning() {
  const [error, setError] = useState(null);
  const begin = () => meet().then(() => setError(null), setError);
  useEffect(() => { begin(); }, []);
  if (me.value) return html`<${App} />`;
  return error && html`<main id="main"><${Failure} error=${error} what="Rollbook cannot begin." again=${begin} /></main>`;
}

follow();
startClock();
listen();
const root = document.getElementById("root");
root.replaceChildren();
render(html`<${Beginning} />`, root);
