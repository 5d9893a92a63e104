"""Markdown of agents: what it makes of any text is text, harmless elements, and links that may be followed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page

import rollbook
from server.tools import Running, served, url_of

from .conftest import Look

PROPERTY: Final = (Path(__file__).parent / "markdown_property.js").read_text(encoding="utf-8")
MOST_MS: Final = 8_000  #: in which a text that takes a straight way is drawn, on any machine
PIECES: Final = [
    "*", "**", "_", "__", "`", "```", "~~", "[", "](", ")", "](https://e.example/a)", "](javascript:hurt())",
    "<img src=x onerror=hurt()>", "!", "\\", "\n", "\n\n", "- ", "1. ", "> ", "# ", "|", "|-|", "\n|-|-|\n", "---",
    "word", " ", "  ", "\t", "http://a.example", "<https://b.example>", "<script>hurt()</script>", "&lt;", "\u202e",
    "\u0000", "😀", "(", "https://", "javascript:hurt()", "\n    ", "[x]: javascript:hurt()", "~~~html\n",
]  # fmt: skip
SAID: Final = {
    "a **b** *c* `d*e*` ~~f~~ g_h_i": "<p>a <strong>b</strong> <em>c</em> <code>d*e*</code> <del>f</del> g_h_i</p>",
    "# T\n- a\n  - b\n- c": '<p class="md-h md-h1">T</p><ul><li><p>a</p><ul><li>b</li></ul></li><li>c</li></ul>',
    "2. x\n3. y": '<ol start="2"><li>x</li><li>y</li></ol>',
    "> q\n> r": "<blockquote><p>q\nr</p></blockquote>",
    "x < y > z & \\*": "<p>x &lt; y &gt; z &amp; *</p>",
    "|a|b|\n|-|-:|\n|1|2|": '<thead><tr><th scope="col">a</th><th scope="col" class="right">b</th></tr></thead>'
    '<tbody><tr><td>1</td><td class="right">2</td></tr></tbody>',
}
DRAWN: Final = """async ({ base, texts }) => {
  const { Markdown } = await import(base + "session/markdown.js");
  const { html, render } = await import(base + "html.js");
  return texts.map((text) => {
    const place = document.createElement("div");
    render(html`<${Markdown} text=${text} />`, place);
    return (place.querySelector("table") ?? place.firstChild).innerHTML;
  });
}"""
#: Texts in which something hides, and as they are shown. Pictures and flags are made of several characters, and stay.
HIDING: Final = {
    "hi" + "".join(chr(0xE0000 + ord(each)) for each in "obey me"): "hi⟨hidden: obey me⟩",
    "a\u00adb\u2028c\u3164": "a⟨U+00AD⟩b⟨U+2028⟩c⟨U+3164⟩",
    "x\ufe0f\ufe01\ufe02y\U000e0105": "x\ufe0f⟨U+FE01⟩⟨U+FE02⟩y⟨U+E0105⟩",
    "\x1b[1;31mred\x1b[0m \x1b]8;;\x07 \x00": "red ⟨ESC⟩]8;;⟨BEL⟩ ⟨NUL⟩",
    "❤\ufe0f 👩\u200d👧 🏴\U000e0067\U000e0062\U000e007f": "❤\ufe0f 👩\u200d👧 🏴\U000e0067\U000e0062\U000e007f",
}
MODULES: Final = "performance.getEntriesByType('resource').map(e => e.name).find(n => n.endsWith('/app/html.js'))"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    path = tmp_path_factory.mktemp("markdown") / "book.db"
    with rollbook.open(url_of(path)) as book:
        book.touch("s")
    with served(path) as made:
        yield made


def evaluated(page: Page, script: str, **said: Any) -> Any:
    """What a script says that is given where the page's modules are."""
    return page.evaluate(script, {"base": str(page.evaluate(MODULES)).removesuffix("html.js"), **said})


@pytest.fixture
def page(server: Running, look: Look) -> Page:
    """A page that has the modules."""
    return look(server, "/settings").page


def test_it_says_what_it_means_and_hides_nothing(page: Page) -> None:
    assert evaluated(page, DRAWN, texts=list(SAID)) == list(SAID.values())
    script = "async ({ base, text }) => (await import(base + 'text.js')).plain(text)"
    for text, shown in HIDING.items():
        assert evaluated(page, script, text=text) == shown


def test_it_never_makes_anything_but_text_and_safe_links(page: Page) -> None:
    said = evaluated(page, PROPERTY, pieces=PIECES, rounds=400, seed=7, most=MOST_MS)
    assert isinstance(said, dict), said
