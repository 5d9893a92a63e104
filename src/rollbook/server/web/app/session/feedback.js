// How good an answer was: what was said of it, and a way to say it.

import { html, useEffect, useRef, useState } from "../html.js";
import { del, put, address, segment, sessionPath } from "../api.js";
import { Failure } from "../ui/states.js";
import { say } from "../ui/toast.js";
import { plain } from "../text.js";

const SCORES = [1, 2, 3, 4, 5];

// of.drafts: what is written and not sent yet, by entry: rows that are scrolled away are not there meanwhile.
export function Feedback({ item, of }) {
  const { feedback_score: score, feedback_text: text } = item.body;
  const [form, draw] = useState(of.drafts.get(item.key) ?? null);
  const place = useRef(null);
  const asked = useRef(false); // the form was opened or closed here: the focus goes with it
  const given = Boolean(score) || Boolean(text);
  const setForm = (next) => {
    asked.current = Boolean(form) !== Boolean(next);
    if (next) of.drafts.set(item.key, next);
    else of.drafts.delete(item.key);
    draw(next);
  };
  useEffect(() => {
    if (!asked.current) return;
    asked.current = false;
    place.current?.querySelector("input:checked, input, button")?.focus({ preventScroll: true });
  }, [Boolean(form)]);
  if (form) return html`<div ref=${place}><${Form} item=${item} of=${of} form=${form} setForm=${setForm} given=${given} /></div>`;
  if (!given && !of.writes) return null;
  return html`
    <div class="feedback" ref=${place}>
      ${given && html`<p class="feedback-said">${score ? html`<${Stars} score=${score} />` : ""}${text && html`<q dir="auto">${plain(text)}</q>`}</p>`}
      ${of.writes && html`<button type="button" class="link-button" onClick=${() => setForm({ score: score ?? null, text: text ?? "" })}>${given ? "Change feedback" : "Give feedback"}</button>`}
    </div>`;
}

const Stars = ({ score }) => html`
  <span class="stars" role="img" aria-label=${`${score} of 5`}>${SCORES.map((each) => html`<i class=${each <= score ? "star star-full" : "star"}></i>`)}</span>`;

function Form({ item, of, form, setForm, given }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const path = address(sessionPath(of.session_id, `/qa/${segment(item.entry.entry_id)}/feedback`), { user_id: of.user_id });
  const send = async (asking, words) => {
    setBusy(true);
    setError(null);
    try {
      const qa = await asking();
      of.change(item.key, { ...item.body, feedback_score: qa.feedback_score, feedback_text: qa.feedback_text });
      setForm(null);
      say(words);
    } catch (why) {
      setError(why);
      setBusy(false);
    }
  };
  const keep = (event) => {
    event.preventDefault();
    send(() => put(path, { score: form.score, text: form.text.trim() || null }), "Feedback is kept.");
  };
  return html`
    <form class="feedback-form" onSubmit=${keep} onKeyDown=${(event) => event.key === "Escape" && setForm(null)}>
      <fieldset><legend>How good was this answer?</legend>
        <div class="scores">${SCORES.map((each) => html`<label key=${each}><input type="radio" name=${`score ${item.key}`} value=${each} checked=${form.score === each}
          onChange=${() => setForm({ ...form, score: each })} /><span>${each}</span></label>`)}<span class="muted">1 is bad, 5 is good</span></div></fieldset>
      <textarea rows="2" aria-label="What was good or bad about it" placeholder="What was good or bad about it" value=${form.text} onInput=${(event) => setForm({ ...form, text: event.target.value })}></textarea>
      <div class="feedback-actions">
        <button class="button button-main" disabled=${busy || (form.score === null && !form.text.trim())}>Keep</button>
        <button type="button" class="button" onClick=${() => setForm(null)}>Cancel</button>
        ${given && html`<button type="button" class="quiet" disabled=${busy} onClick=${() => send(() => del(path), "Feedback is cleared.")}>Clear feedback</button>`}
      </div>
      ${error && html`<${Failure} error=${error} what="The feedback was not kept." />`}
    </form>`;
}
