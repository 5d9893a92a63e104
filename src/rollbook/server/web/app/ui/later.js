// Parts of a page that most who look at it never see: they are fetched when they are shown first.

import { html, useEffect, useState } from "../html.js";
import { Failure } from "./states.js";

// const Edit = later(() => import("./changing.js"), "Edit"); then <${Edit} … /> as if it were here.
export function later(load, name) {
  let Part = null;
  return function Later(props) {
    const [error, setError] = useState(null);
    const [, drawn] = useState(false);
    useEffect(() => {
      if (!Part) load().then((module) => { Part = module[name]; drawn(true); }, setError);
    }, []);
    if (error) return html`<${Failure} error=${new Error("The server cannot be reached, or is a newer one than this page.")} what="This cannot be shown." again=${() => location.reload()} />`;
    return Part && html`<${Part} ...${props} />`;
  };
}
