// How good an answer was: what was said of it, and a way to say it.

import { html, useEffect, useRef, useState } from "../html.js";
import { later } from "../ui/later.js";
import { plain } from "../text.js";

export const SCORES = [1, 2, 3, 4, 5];
const Form = later(() => import("./judging.js"), "Form");

// of.drafts: what is written and not sent yet, by entry: rows that are scrolled away are not there meanwhile.
export function Feedback({ item, of }) {
  const { feedback_score: score, feedback_text: text } = item.body;
  const [form, draw] = useState(of.drafts.get(item.key) ?? null);
  const place = useRef(null);
  const asked = useRef(false); // the form was opened or closed here: the focus goes with it
  const given = Boolean(score) || Boolean(text);
  const setForm = (next) => {
    asked.current ||= Boolean(form) !== Boolean(next);
    if (next) of.drafts.set(item.key, next);
    else of.drafts.delete(item.key);
    draw(next);
  };
  useEffect(() => {
    if (!form && asked.current) place.current?.querySelector("button")?.focus({ preventScroll: true });
    if (!form) asked.current = false;
  }, [Boolean(form)]);
  if (form) return html`<${Form} item=${item} of=${of} form=${form} setForm=${setForm} given=${given} begun=${asked.current} />`;
  if (!given && !of.writes) return null;
  return html`
    <div class="feedback" ref=${place}>
      ${given && html`<p class="feedback-said">${score ? html`<${Stars} score=${score} />` : ""}${text && html`<q dir="auto">${plain(text)}</q>`}</p>`}
      ${of.writes && html`<button type="button" class="link-button" onClick=${() => setForm({ score: score ?? null, text: text ?? "" })}>${given ? "Change feedback" : "Give feedback"}</button>`}
    </div>`;
}

const Stars = ({ score }) => html`
  <span class="stars" role="img" aria-label=${`${score} of 5`}>${SCORES.map((each) => html`<i class=${each <= score ? "star star-full" : "star"}></i>`)}</span>`;
