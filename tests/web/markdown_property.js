// Run in the page by test_markdown.py: any text becomes nothing but text, harmless elements and safe links, and soon.
async ({ base, pieces, rounds, seed, most }) => {
  const { Markdown } = await import(`${base}session/markdown.js`);
  const { html, render } = await import(`${base}html.js`);
  let state = seed;
  const next = (bound) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state % bound;
  };
  const allowed = new Set("DIV P UL OL LI BLOCKQUOTE PRE CODE STRONG EM DEL A SPAN HR TABLE THEAD TBODY TR TH TD".split(" "));
  const place = document.createElement("div");
  let slowest = 0;
  const draw = (text) => {
    const began = performance.now();
    render(html`<${Markdown} text=${text} />`, place);
    const took = performance.now() - began;
    slowest = Math.max(slowest, took);
    return took;
  };
  const wrong = (text) => {
    for (const element of place.querySelectorAll("*")) {
      if (!allowed.has(element.tagName)) return element.tagName;
      if (element.tagName === "A" && element.parentElement.closest("a")) return "a link in a link";
      for (const { name, value } of element.attributes) {
        if (/^on|^style$|^src/.test(name)) return name;
        if (name === "href" && !/^https?:/.test(value)) return value;
      }
    }
    // The name of a block's language is not shown, nor are cells beyond a table's head.
    if (/```|~~~|[|]/.test(text)) return null;
    const count = (all) => all.split("word").length;
    return count(place.textContent) < count(text) ? "a word is lost" : null;
  };
  for (let round = 0; round < rounds; round += 1) {
    let text = "";
    for (let left = 1 + next(40); left > 0; left -= 1) text += pieces[next(pieces.length)];
    draw(text);
    const found = wrong(text);
    if (found) return `${found}: ${JSON.stringify(text)}`;
    render(null, place);
  }
  // Much of the same that opens and closes nothing, or only at its very end.
  const marks = ["*", "**a", "*a ", "_a ", "`", "``a`", "[", "[a](", "[](", "![", "<", "<a ", "> ", "- ", "1. ", "|", "~~a", "\\", "# ", "a\n|-", "((", "[a]((", "a|b\n", "  - a\n", "http://"];
  for (const mark of marks) {
    for (const end of ["", "](https://a.example)"]) {
      const took = draw(mark.repeat(Math.floor(30000 / mark.length)) + end);
      if (took > most) return `${Math.round(took)} ms for ${JSON.stringify(mark)} and ${JSON.stringify(end)}`;
      render(null, place);
    }
  }
  return { slowest };
}
