// The form in which one says how good an answer was.

import { html, useEffect, useRef, useState } from "../html.js";
import { del, put, address, segment, sessionPath } from "../api.js";
import { Failure } from "../ui/states.js";
import { say } from "../ui/toast.js";
import { SCORES } from "./feedback.js";

// begun: it was opened just now, by whoever writes.
export function Form({ item, of, form, setForm, given, begun }) {
  const place = useRef(null);
  useEffect(() => { if (begun) place.current.querySelector("input:checked, input").focus({ preventScroll: true }); }, []);
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
    <form class="feedback-form" ref=${place} onSubmit=${keep} onKeyDown=${(event) => event.key === "Escape" && setForm(null)}>
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
