// The dashboard: what stands around every page, and which page is shown.

import { html, render, useEffect, useErrorBoundary, useLayoutEffect, useRef, useState } from "./html.js";
import { route, follow } from "./state.js";
import { listening } from "./live.js";
import { startClock } from "./clock.js";
import { fetched } from "./fetched.js";
import { meet } from "./people.js";
import { Header } from "./ui/header.js";
import { Failure, Loading } from "./ui/states.js";
import { Toasts } from "./ui/toast.js";

const PAGES = {
  fleet: () => import("./pages/fleet.js"),
  sessions: () => import("./pages/sessions.js"),
  session: () => import("./pages/session.js"),
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
    Promise.all([PAGES[name](), fetched(`style/${name}.css`)]).then(([module]) => loaded.set(name, module.default), () => loaded.set(name, NotLoaded))
      .then(() => drawn((turn) => turn + 1));
  }, [name]);
  return loaded.get(name);
}

// The server cannot be reached, or is another one by now and has other modules: the page is to be loaded anew.
const NotLoaded = () => html`<${Failed} what="This page cannot be loaded." error=${new Error("The server cannot be reached, or is a newer one than this page.")} again=${() => location.reload()} />`;

// What stands in place of a page; it has a heading as others have.
const Failed = (of) => html`<h1 class="unseen">${TITLES[route.value.name]}</h1><${Failure} ...${of} />`;

function Page() {
  const { name, path } = route.value;
  const Shown = usePage(name);
  const [error, forget] = useErrorBoundary();
  useEffect(forget, [path]);
  useFocus(path);
  if (name === "unknown") return html`<${Failed} what="There is no such page." error=${new Error(path)} />`;
  if (error) return html`<${Failed} error=${error} what="This page is broken." again=${() => location.reload()} />`;
  return Shown ? html`<${Shown} key=${name} />` : html`<h1 class="unseen">${TITLES[name]}</h1><${Loading} rows=${8} />`;
}

// Whoever uses no mouse begins at the page that was gone to, and not at the link that led there.
function useFocus(path) {
  const first = useRef(path);
  useEffect(() => {
    if (first.current === path) return;
    first.current = null;
    document.getElementById("main").focus({ preventScroll: true });
  }, [path]);
}

function App() {
  return html`
    <a class="skip" href="#main">Skip to the page</a>
    <${Header} />
    <main id="main" tabindex="-1"><${Page} /></main>
    <${Toasts} />`;
}

function Beginning() {
  const [{ begun, error }, tell] = useState({ begun: false, error: null });
  const begin = () => meet().then(listening).then(() => tell({ begun: true, error: null }), (why) => tell({ begun: false, error: why }));
  useEffect(() => { begin(); }, []);
  if (begun) return html`<${App} />`;
  return error && html`<main id="main"><h1 class="unseen">Rollbook</h1><${Failure} error=${error} what="Rollbook cannot begin." again=${begin} /></main>`;
}

follow();
startClock();
const root = document.getElementById("root");
root.replaceChildren();
render(html`<${Beginning} />`, root);
