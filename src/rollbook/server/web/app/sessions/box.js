// The box in which sessions are asked for: what is written in it is checked by the server, and completed here.

import { html, useEffect, useId, useLayoutEffect, useRef, useState } from "../html.js";
import { Icon } from "../ui/icon.js";
import { choicesAt, completed } from "./completing.js";
import { termsOf, unfinished } from "./terms.js";

const PAUSE_MS = 350; // after the last key what is written is asked for

// <${Box} query=${text} error=${{ text, message, at }} onAsk=${(text, typed) => …} fields=${fields} onNear=${() => …} input=${ref} />
// onNear: somebody is about to write, so that names to complete with can be fetched.
export function Box({ query, error, onAsk, fields, onNear, input }) {
  const [text, setText] = useState(query);
  const [caret, setCaret] = useState(null); // null: nothing is offered
  const [at, setAt] = useState(-1);
  const mirror = useRef(null);
  const pause = useRef(0);
  const next = useRef(null);
  const asked = useRef(query);
  const id = useId();
  const offered = caret === null ? null : choicesAt(text, caret, fields);
  const choices = offered?.choices ?? [];

  // What menus, links and "back" wrote is shown, but not over what somebody is writing.
  useEffect(() => {
    if (query === asked.current) return;
    asked.current = query;
    clearTimeout(pause.current);
    setText(query);
  }, [query]);
  useEffect(() => () => clearTimeout(pause.current), []);
  useLayoutEffect(() => {
    if (next.current === null) return;
    input.current.setSelectionRange(next.current, next.current);
    next.current = null;
  });
  useLayoutEffect(() => { mirror.current.scrollLeft = input.current.scrollLeft; });

  const send = (said, typed) => {
    clearTimeout(pause.current);
    if (said.trim() === asked.current) return;
    asked.current = said.trim();
    onAsk(said.trim(), typed);
  };
  const write = (said) => {
    setText(said);
    clearTimeout(pause.current);
    if (!unfinished(said)) pause.current = setTimeout(() => send(said, true), PAUSE_MS);
  };
  const typed = (event) => {
    write(event.target.value);
    setCaret(event.target.selectionStart);
    setAt(-1);
  };
  const choose = (choice) => {
    const made = completed(text, offered, choice);
    next.current = made.caret;
    write(made.text);
    setCaret(choice.open ? made.caret : null);
    setAt(-1);
    input.current.focus();
  };
  const keyed = (event) => {
    const last = choices.length - 1;
    if (event.key === "ArrowDown") {
      if (caret === null) setCaret(event.target.selectionStart);
      else setAt(at >= last ? 0 : at + 1);
    } else if (event.key === "ArrowUp" && choices.length) setAt(at <= 0 ? last : at - 1);
    else if ((event.key === "Enter" || event.key === "Tab") && choices[at]) choose(choices[at]);
    else if (event.key === "Enter") {
      setCaret(null);
      send(text, false);
      return;
    } else if (event.key === "Escape") {
      if (caret !== null && choices.length) setCaret(null);
      else event.target.blur();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const wrong = error && error.text === text.trim() ? error : null;
  const open = choices.length > 0;
  return html`
    <div class=${`query-box ${wrong ? "box-wrong" : ""}`} role="search">
      <${Icon} name="search" />
      <div class="box-text">
        <div class="box-mirror" ref=${mirror} aria-hidden="true"><${Coloured} text=${text} wrong=${wrong} /></div>
        <input type="text" ref=${input} value=${text} placeholder="Search, or status:failed cost>5 model:opus*" spellcheck=${false} autocomplete="off" autocapitalize="off"
          role="combobox" aria-label="Filter sessions" aria-expanded=${String(open)} aria-controls=${open ? `${id}-list` : null} aria-autocomplete="list"
          aria-activedescendant=${open && at >= 0 ? `${id}-${at}` : null} aria-invalid=${wrong ? "true" : null} aria-describedby=${wrong ? `${id}-wrong` : null}
          onInput=${typed} onKeyDown=${keyed} onFocus=${onNear} onClick=${(event) => setCaret(event.target.selectionStart)}
          onBlur=${() => { setCaret(null); send(text, false); }} onScroll=${(event) => { mirror.current.scrollLeft = event.target.scrollLeft; }} />
      </div>
      ${text ? html`<button type="button" class="icon-button" aria-label="Clear the filter" title="Clear" onClick=${() => { setText(""); send("", false); input.current.focus(); }}><${Icon} name="close" /></button>` : html`<kbd aria-hidden="true">/</kbd>`}
      ${open && html`<ul class="panel box-choices" id=${`${id}-list`} role="listbox" aria-label="What may come next">${choices.map((choice, turn) => html`
        <li key=${choice.text} id=${`${id}-${turn}`} role="option" aria-selected=${String(turn === at)} onPointerDown=${(event) => { event.preventDefault(); choose(choice); }}>
          <span class="choice-name">${choice.name}</span><span class="muted">${choice.says}</span></li>`)}</ul>`}
      ${wrong && html`<p class="box-error" id=${`${id}-wrong`} role="alert"><${Place} text=${wrong.text} at=${wrong.at} />${wrong.message}</p>`}
    </div>`;
}

// The text as it stands in the box, in colours: fields, values, and where it cannot be read.
function Coloured({ text, wrong }) {
  const parts = [];
  let done = 0;
  for (const term of termsOf(text)) {
    const bad = wrong && wrong.at >= term.start && wrong.at <= term.end;
    const value = term.end - term.value.length;
    parts.push(text.slice(done, term.start), html`<span class=${bad ? "wrong" : null}><span class=${term.field ? "q-field" : null}>${text.slice(term.start, value)}</span>${text.slice(value, term.end)}</span>`);
    done = term.end;
  }
  return html`${parts}${text.slice(done)} `;
}

function Place({ text, at }) {
  const term = termsOf(text).find((each) => at >= each.start && at <= each.end);
  return term ? html`<code>${term.text}</code>` : null;
}

// Where in a query the server could not go on, and what it says: { at (from 0), message }.
export function readError(error, text) {
  const found = /(?:in the query )?at character (\d+): (.*)$/s.exec(error.message);
  if (found) return { text, at: Number(found[1]) - 1, message: found[2] };
  return { text, at: -1, message: error.message };
}
