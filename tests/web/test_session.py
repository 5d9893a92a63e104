"""One session: all of it on one line of time, live, and nothing that an agent wrote is anything but text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

import rollbook
from rollbook import Rollbook
from server.tools import Running, key_of, served, url_of

from .conftest import Look, Tab

ANN, BOB = "ann@example.org", "bob@example.org"
ODD: Final = "nightly/a b/ü?#%"
MANY: Final = 10_000
ROWS_AT_ONCE: Final = 120  #: in sight and somewhat beyond it
NASTY: Final = "\n".join([
    "<script>window.hurt = 1</script>", "<img src=x onerror='window.hurt = 1'>", "[a](javascript:window.hurt=1)",
    "[b](JaVaScRiPt&colon;alert(1))", "[c](data:text/html,<script>window.hurt=1</script>)", "<javascript:window.hurt=1>",
    "![picture](https://elsewhere.example/x.png)", "<svg/onload=window.hurt=1>", "<a href='javascript:window.hurt=1'>d</a>",
    "[good](https://example.com/way)", "[https://bank.example](https://evil.example/)", "</div></main><style>*{display:none}</style>",
    "safe\u202egnp.exe \u0007bell \u200bnothing",
])  # fmt: skip


def fill(book: Rollbook) -> None:
    start = datetime.now(UTC) - timedelta(hours=3)

    def at(seconds: float) -> datetime:
        return start + timedelta(seconds=seconds)

    book.touch("talk", user_id=ANN, at=start, agent="support-bot", title="Where is my order", tags=["shop"])
    book.record_usage("talk", user_id=ANN, model="m-1", tokens_in=900, tokens_out=20, cost_usd=0.5, occurred_at=at(2))
    book.record_usage("talk", user_id=ANN, model="m-1", tokens_in=10, errored=True, occurred_at=at(15), usage_id="broken")
    book.add_trace_step("talk", origin_function="find_order", tool_name="find_order", method_params={"path": "/orders/12"},
        method_return_value={"state": "sent"}, trace_id="t1", duration_s=1.5, at=at(5), user_id=ANN)  # fmt: skip
    book.add_trace_step("talk", origin_function="find_parcel", status="error", error="Timeout", error_message="no answer in 10 s",
        trace_id="t2", at=at(12), user_id=ANN)  # fmt: skip
    book.add_qa("talk", question="Where is it?", answer="It was **sent** on Monday.", qa_id="q1", context="orders", at=at(20), user_id=ANN)
    book.add_qa("talk", question="And now?", answer="See\n\n```py\nx = 1\n```", qa_id="q2", at=at(2000), user_id=ANN)
    book.set_state("talk", values={"step": {"n": 3}}, user_id=ANN)
    book.set_graph_context("talk", "order 12 belongs to ann", user_id=ANN)
    book.touch("talk/helper", user_id=ANN, parent="talk", title="Ask the depot", at=at(6))
    book.record_usage("talk/helper", user_id=ANN, model="m-1", tokens_in=10, cost_usd=0.25, occurred_at=at(7))
    book.end("talk/helper", "completed", user_id=ANN, at=at(9))

    book.touch(ODD, user_id=ANN, title="Odd id")
    book.add_message(ODD, role="user", content="odd it is", message_id="m/1 ?#", user_id=ANN)
    book.touch("nasty", user_id=ANN, title=NASTY[:900], agent="<b>x</b>", project="<img src=x onerror=window.hurt=1>", tags=["<i>t</i>"])
    for role in ("user", "assistant", "tool"):
        book.add_message("nasty", role=role, content=NASTY, user_id=ANN)
    book.add_qa("nasty", question=NASTY, answer=NASTY, context=NASTY, feedback_text=NASTY, feedback_score=2, user_id=ANN)
    book.add_trace_step("nasty", origin_function="<script>", tool_name=None, method_params={"<script>": NASTY}, method_return_value=NASTY,
        status="error", error_message=NASTY, user_id=ANN)  # fmt: skip
    book.append("nasty", "own", entries=[NASTY, {"__proto__": NASTY}], user_id=ANN)
    book.set_state("nasty", values={"<b>key</b>": NASTY}, user_id=ANN)

    book.touch("many", user_id=ANN, title="Very many", at=start)
    for low in range(0, MANY, 1000):
        bodies = [{"role": "assistant" if n % 7 else "user", "content": f"line {n} " + "and more of it " * (n % 23)} for n in range(low, low + 1000)]
        book.append("many", "log", entries=bodies, ids=[f"e{n}" for n in range(low, low + 1000)], user_id=ANN, at=at(low))
    book.touch("live", user_id=ANN, title="Still at it")
    for n in range(60):
        book.add_message("live", role="user" if n % 2 else "assistant", content=f"line {n}", message_id=f"m{n}", user_id=ANN, at=at(n))
    for name in ("to end", "to delete", "to edit"):
        book.touch(name, user_id=ANN, title=name)
    book.touch("empty", user_id=ANN)
    book.touch("of bob", user_id=BOB, title="Bob's own")
    book.add_message("long", role="assistant", content="begin " + "word " * 3000 + "THE END", message_id="m1", user_id=ANN)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("session") / "book.db"
    with rollbook.open(url_of(made), all_users=True, redact=False) as book:
        fill(book)
    return made


@pytest.fixture(scope="module")
def server(path: Path) -> Iterator[Running]:
    with served(path) as made:
        yield made


@pytest.fixture(scope="module")
def ids(server: Running) -> dict[str, str]:
    """The ids of users by what they are called."""
    with server.client() as client:
        lines = client.get("/api/v1/sessions", params={"range": "all", "limit": 100}).json()["sessions"]
    return {ANN: next(each["user_id"] for each in lines if each["session_id"] == "talk"),
            BOB: next(each["user_id"] for each in lines if each["session_id"] == "of bob")}  # fmt: skip


def at(ids: dict[str, str], session_id: str, anchor: str = "", user: str = ANN) -> str:
    from urllib.parse import quote

    return f"/session/{ids[user]}/{quote(session_id, safe='')}{anchor and '#' + anchor}"


def opened(look: Look, server: Running, ids: dict[str, str], session_id: str, anchor: str = "", **said: Any) -> Tab:
    tab = look(server, at(ids, session_id, anchor), **said)
    tab.page.locator("article.entry").first.wait_for()
    return tab


def here(page: Page) -> Any:
    return page.locator("article.entry-here")


def test_all_of_it_is_on_one_line_of_time(server: Running, ids: dict[str, str], look: Look) -> None:
    page = opened(look, server, ids, "talk").page
    expect(page.locator("h1")).to_have_text("Where is my order")
    expect(page).to_have_title("Where is my order · Rollbook")
    expect(page.locator("article.entry")).to_have_count(6)
    names = page.locator("article.entry").evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
    assert names == ["Step find_order", "Sub-agent", "Failed step find_parcel", "Failed call", "Question and answer", "Question and answer"]
    expect(page.locator(".figures")).to_contain_text("$0.75+ with 1 sub-agent")
    expect(page.locator(".row-gap")).to_contain_text("33 min of silence")
    expect(page.locator(".said strong")).to_have_text("sent")
    expect(page.locator("article.entry").nth(0).locator(".entry-cost")).to_have_text("$0.50")
    expect(page.locator(".step-error")).to_have_text("Timeout: no answer in 10 s")
    # What a tool was given and answered is folded.
    expect(page.get_by_text("/orders/12")).to_have_count(1)
    page.get_by_role("button", name="find_order").click()
    expect(page.get_by_role("group", name="Result")).to_contain_text('"state": "sent"')
    expect(page.get_by_text("order 12 belongs to ann")).to_be_visible()
    expect(page.get_by_role("group", name="step")).to_contain_text('"n": 3')
    page.get_by_role("link", name="Ask the depot").last.click()
    expect(page.locator("h1")).to_have_text("Ask the depot")
    page.get_by_role("link", name="Began in talk").click()
    expect(page.locator("h1")).to_have_text("Where is my order")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Ask the depot")


def test_times_are_the_viewers_and_exact_in_the_title(server: Running, ids: dict[str, str], look: Look) -> None:
    page = opened(look, server, ids, "talk", timezone_id="Asia/Kolkata").page
    time = page.locator("article.entry time").first
    written = datetime.fromisoformat(str(time.get_attribute("datetime")))
    expect(time).to_have_text((written + timedelta(hours=5, minutes=30)).strftime("%H:%M:%S"))
    assert written.strftime("%Y-%m-%d %H:%M:%S.%f UTC") in str(time.get_attribute("title"))


def test_a_link_leads_to_an_entry_and_back_returns(server: Running, ids: dict[str, str], look: Look) -> None:
    tab = opened(look, server, ids, "many", "log/e7777")
    page = tab.page
    expect(here(page)).to_contain_text("line 7777 ")
    expect(here(page)).to_be_in_viewport()
    tab.go(at(ids, "talk", "q2"))  # an id alone will do
    expect(here(page)).to_contain_text("And now?")
    page.locator("article.entry").first.locator("a.entry-when").click()
    expect(here(page)).to_contain_text("find_order")
    assert tab.path.endswith("#trace/t1")
    page.go_back()
    expect(here(page)).to_contain_text("And now?")
    tab.go(at(ids, ODD, "messages/m/1 ?%23"))
    expect(page.locator("h1")).to_have_text("Odd id")
    expect(here(page)).to_contain_text("odd it is")
    tab.go(at(ids, "talk", "trace/none"))
    expect(page.get_by_text("There is no such entry in this session.")).to_be_visible()


def test_keys_move_and_nothing_is_moved_by_what_is_typed(server: Running, ids: dict[str, str], look: Look) -> None:
    tab = opened(look, server, ids, "talk")
    page = tab.page
    expect(page.locator("article.entry")).to_have_count(6)
    for key, wanted in [("j", "find_order"), ("j", "Ask the depot"), ("k", "find_order"), ("e", "find_parcel"), ("e", "Call failed"),
                        ("E", "find_parcel"), ("G", "And now?"), ("g", "find_order")]:  # fmt: skip
        page.keyboard.press(key)
        expect(here(page)).to_contain_text(wanted)
    assert page.evaluate("document.activeElement.matches('article.entry-here')")
    page.keyboard.press("o")
    expect(page.get_by_role("group", name="Arguments")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("jjk")
    expect(page.get_by_role("searchbox")).to_have_value("jjk")
    expect(here(page)).to_contain_text("find_order")


def test_searching_inside(server: Running, ids: dict[str, str], look: Look) -> None:
    page = opened(look, server, ids, "many").page
    page.keyboard.press("/")
    page.keyboard.type("LINE 999")
    expect(page.locator(".find-count")).to_have_text("11")  # 999 and 9990 to 9999
    page.keyboard.press("Enter")
    expect(here(page)).to_contain_text("line 999 ")
    page.keyboard.press("Enter")
    expect(here(page)).to_contain_text("line 9990 ")
    expect(page.locator(".find-count")).to_have_text("2 of 11")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.wait_for_function("CSS.highlights.get('found')?.size >= 1")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    expect(here(page)).to_contain_text("line 9999 ")
    page.keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).to_have_value("")
    page.get_by_role("searchbox").fill("nowhere at all")
    expect(page.locator(".find-count")).to_have_text("none")


def test_filters_of_what_is_shown(server: Running, ids: dict[str, str], look: Look) -> None:
    page = opened(look, server, ids, "talk").page
    page.get_by_role("button", name="Errors 2").click()
    expect(page.locator("article.entry")).to_have_count(2)
    page.get_by_role("button", name="Conversation").click()
    expect(page.locator("article.entry")).to_have_count(2)
    page.get_by_role("button", name="Tools").click()
    expect(page.locator("article.entry")).to_have_count(3)


def test_of_ten_thousand_entries_only_those_in_sight_are_there(server: Running, ids: dict[str, str], look: Look) -> None:
    page = opened(look, server, ids, "many").page
    expect(page.locator(".bar-count")).to_have_text("10,000 entries")
    assert page.locator("article.entry").count() < ROWS_AT_ONCE
    high = page.evaluate("document.documentElement.scrollHeight")
    seen = []
    for part in (0.2, 0.5, 0.9, 0.4):
        page.evaluate("to => scrollTo(0, to)", high * part)
        page.wait_for_function("() => [...document.querySelectorAll('article.entry')].some(e => { const r = e.getBoundingClientRect(); return r.top < innerHeight / 2 && r.bottom > innerHeight / 3; })")
        assert page.locator("article.entry").count() < ROWS_AT_ONCE
        seen.append(page.locator("li.entry-row").first.get_attribute("data-key"))
    assert len(set(seen)) == 4
    page.keyboard.press("G")
    expect(here(page)).to_contain_text("line 9999 ")
    expect(here(page)).to_be_in_viewport()
    # Rows stand under each other, however high they turned out to be.
    tops = page.locator("li.entry-row").evaluate_all("all => all.map(e => e.getBoundingClientRect()).map(r => [r.top, r.bottom])")
    assert all(abs(one[1] - other[0]) < 1.5 for one, other in zip(tops, tops[1:], strict=False))


def test_what_is_new_comes_below_without_moving_what_is_read(server: Running, ids: dict[str, str], look: Look, path: Path) -> None:
    tab = opened(look, server, ids, "live", "messages/m20")
    page = tab.page
    expect(here(page)).to_be_in_viewport()
    page.wait_for_timeout(300)  # until the row that was gone to is held no longer
    before = here(page).bounding_box()
    with rollbook.open(url_of(path), all_users=True) as book:
        for n in (60, 61):
            book.add_message("live", role="assistant", content=f"line {n}", message_id=f"m{n}", user_id=ANN)
    below = page.get_by_role("button", name="2 new below")
    expect(below).to_be_visible()
    assert here(page).bounding_box() == before
    below.click()
    expect(page.get_by_text("line 61")).to_be_in_viewport()
    expect(below).to_have_count(0)
    with rollbook.open(url_of(path), all_users=True) as book:
        book.end("live", "failed", reason="out of money", user_id=ANN)
    expect(page.locator(".outcome")).to_contain_text("Failed")
    expect(page.locator(".outcome")).to_contain_text("out of money")
    expect(page.locator("article.entry-end")).to_contain_text("out of money")


def test_feedback_is_given_changed_and_cleared(server: Running, ids: dict[str, str], look: Look, path: Path) -> None:
    page = opened(look, server, ids, "talk").page
    answer = page.locator("article.entry-qa").first
    answer.get_by_role("button", name="Give feedback").click()
    expect(answer.get_by_role("button", name="Keep")).to_be_disabled()
    answer.get_by_role("radio", name="4").check()
    answer.get_by_role("textbox").fill("quick, but <b>short</b>")
    answer.get_by_role("button", name="Keep").click()
    expect(answer.get_by_role("img", name="4 of 5")).to_be_visible()
    expect(answer.locator("q")).to_have_text("quick, but <b>short</b>")
    with rollbook.open(url_of(path), user=ANN) as book:
        assert (book.get_qa("talk", "q1").feedback_score, book.get_qa("talk", "q1").feedback_text) == (4, "quick, but <b>short</b>")
    answer.get_by_role("button", name="Change feedback").click()
    answer.get_by_role("button", name="Clear feedback").click()
    expect(answer.get_by_role("button", name="Give feedback")).to_be_visible()
    with rollbook.open(url_of(path), user=ANN) as book:
        assert book.get_qa("talk", "q1").feedback_score is None


def test_what_agents_write_is_text(server: Running, ids: dict[str, str], look: Look) -> None:
    tab = opened(look, server, ids, "nasty", viewport={"width": 1000, "height": 9000})
    page = tab.page
    for button in page.locator("button.step, .fold button").all():
        button.click()
    for button in page.locator(".entry-raw").all():
        button.click()
    expect(page.locator(".step-inside")).to_have_count(3)
    page.wait_for_timeout(200)
    assert page.evaluate("window.hurt") is None
    assert page.locator("main :is(script, img:not([role]), svg[onload], iframe, style, object, form)").count() == 0
    links = page.locator("main .said a").evaluate_all("all => all.map(a => [a.href, a.rel, a.target, a.nextElementSibling?.textContent])")
    assert links
    assert {link[0] for link in links} == {"https://example.com/way", "https://evil.example/", "https://elsewhere.example/x.png"}
    assert all("noopener" in link[1] and link[2] == "_blank" for link in links)
    assert {link[3].strip() for link in links} == {"(example.com)", "(evil.example)", "(elsewhere.example)"}
    assert page.locator("main a[href^='javascript' i], main a[href^='data' i]").count() == 0
    text = page.locator("main").inner_text()
    assert "<script>window.hurt = 1</script>" in text
    assert "[a](javascript:window.hurt=1)" in text
    assert "safe‹U+202E›gnp.exe ␇bell ‹U+200B›nothing" in text
    assert "\u202e" not in text


PIECES: Final = [
    "*", "**", "_", "__", "`", "```", "~~", "[", "](", ")", "](https://e.example/a)", "](javascript:hurt())", "<img src=x onerror=hurt()>", "!", "\\", "\n",
    "\n\n", "- ", "1. ", "> ", "# ", "|", "|-|", "\n|-|-|\n", "---", "word", " ", "  ", "\t", "http://a.example", "<https://b.example>", "<script>hurt()</script>",
    "&lt;", "\u202e", "\u0000", "😀", "(", "https://", "javascript:hurt()", "\n    ", "[x]: javascript:hurt()", "~~~html\n",
]  # fmt: skip
PROPERTY = """async ({ base, pieces, rounds, seed }) => {
  const { Markdown } = await import(base + "session/markdown.js");
  const { html, render } = await import(base + "html.js");
  let state = seed;
  const next = (most) => { state = (state * 1103515245 + 12345) % 2147483648; return state % most; };
  const allowed = new Set("DIV P UL OL LI BLOCKQUOTE PRE CODE STRONG EM DEL A SPAN HR TABLE THEAD TBODY TR TH TD".split(" "));
  const place = document.createElement("div");
  let slowest = 0;
  for (let round = 0; round < rounds; round += 1) {
    let text = "";
    for (let left = 1 + next(40); left > 0; left -= 1) text += pieces[next(pieces.length)];
    const began = performance.now();
    render(html`<${Markdown} text=${text} />`, place);
    slowest = Math.max(slowest, performance.now() - began);
    for (const element of place.querySelectorAll("*")) {
      if (!allowed.has(element.tagName)) return `${element.tagName} of ${JSON.stringify(text)}`;
      for (const { name, value } of element.attributes) {
        if (/^on|^style$|^src/.test(name)) return `${name} of ${JSON.stringify(text)}`;
        if (name === "href" && !/^https?:/.test(value)) return `${value} of ${JSON.stringify(text)}`;
      }
    }
    for (const word of ["word", "\U0001F600"]) {
      const count = (all) => all.split(word).length;
      const inFences = /```|~~~|[|]/.test(text); // the name of a language and cells beyond a table's head are not shown
      if (!inFences && count(place.textContent) < count(text)) return `lost ${word} of ${JSON.stringify(text)}`;
    }
    render(null, place);
  }
  // Much of the same opens and closes nothing, and takes no time to find that out.
  for (const mark of ["*", "**a", "_a ", "`", "``a`", "[", "[a](", "![", "<", "<a ", "> ", "- ", "1. ", "|", "~~a", "\\\\", "# ", "a\\n|-", "((", "[a](("]) {
    const began = performance.now();
    render(html`<${Markdown} text=${mark.repeat(Math.floor(50000 / mark.length))} />`, place);
    const took = performance.now() - began;
    slowest = Math.max(slowest, took);
    if (took > 4000) return `${took} ms for ${mark}`;
    render(null, place);
  }
  return { slowest };
}"""


def test_markdown_never_makes_anything_but_text_and_safe_links(server: Running, ids: dict[str, str], look: Look) -> None:
    page = opened(look, server, ids, "talk").page
    base = page.evaluate("performance.getEntriesByType('resource').map(e => e.name).find(n => n.endsWith('/app/html.js'))").removesuffix("html.js")
    said = page.evaluate(PROPERTY, {"base": base, "pieces": PIECES, "rounds": 1500, "seed": 7})
    assert isinstance(said, dict), said


MARKDOWN: Final = {
    "a **b** *c* `d*e*` ~~f~~ g_h_i": "<p>a <strong>b</strong> <em>c</em> <code>d*e*</code> <del>f</del> g_h_i</p>",
    "# T\n- a\n  - b\n- c": '<p class="md-h md-h1">T</p><ul><li><p>a</p><ul><li>b</li></ul></li><li>c</li></ul>',
    "2. x\n3. y": '<ol start="2"><li>x</li><li>y</li></ol>',
    "> q\n> r": "<blockquote><p>q\nr</p></blockquote>",
    "|a|b|\n|-|-:|\n|1|2|": '<table><thead><tr><th scope="col">a</th><th scope="col" class="right">b</th></tr></thead><tbody><tr><td>1</td><td class="right">2</td></tr></tbody></table>',
    "x < y > z & \\*": "<p>x &lt; y &gt; z &amp; *</p>",
}  # fmt: skip


def test_markdown_says_what_it_means(server: Running, ids: dict[str, str], look: Look) -> None:
    page = opened(look, server, ids, "talk").page
    base = page.evaluate("performance.getEntriesByType('resource').map(e => e.name).find(n => n.endsWith('/app/html.js'))").removesuffix("html.js")
    made = page.evaluate(
        """async ({ base, texts }) => {
          const { Markdown } = await import(base + "session/markdown.js");
          const { html, render } = await import(base + "html.js");
          return texts.map((text) => { const place = document.createElement("div"); render(html`<${Markdown} text=${text} />`, place);
            return (place.querySelector("table")?.outerHTML ?? place.firstChild.innerHTML); });
        }""",
        {"base": base, "texts": list(MARKDOWN)},
    )
    assert made == list(MARKDOWN.values())


def test_what_is_long_comes_when_it_is_asked_for(server: Running, ids: dict[str, str], look: Look) -> None:
    page = opened(look, server, ids, "long").page
    expect(page.get_by_text("THE END")).to_have_count(0)
    page.get_by_role("button", name="Show all of it").click()
    expect(page.get_by_text("THE END")).to_have_count(1)
    expect(page.get_by_role("button", name="Show all of it")).to_have_count(0)


def test_raw_json_of_a_session_and_of_an_entry(server: Running, ids: dict[str, str], look: Look) -> None:
    page = opened(look, server, ids, "talk").page
    page.locator("article.entry").first.hover()
    page.get_by_role("button", name="Raw JSON").first.click()
    raw = json.loads(page.get_by_role("group", name="JSON of this entry").inner_text())
    assert (raw["entry_id"], raw["body"]["method_params"]) == ("t1", {"path": "/orders/12"})
    page.get_by_role("button", name="More").click()
    page.locator(".panel").get_by_role("button", name="Raw JSON").click()
    raw = json.loads(page.get_by_role("group", name="JSON of this session").inner_text())
    assert (raw["session_id"], raw["user_id"], raw["cost_nano_usd"]) == ("talk", ids[ANN], 500_000_000)


def test_ending_reopening_editing_and_deleting(server: Running, ids: dict[str, str], look: Look, path: Path) -> None:
    tab = look(server, at(ids, "to end"))
    page = tab.page
    page.get_by_role("button", name="End", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Failed").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("by hand")
    page.get_by_role("dialog").get_by_role("button", name="End it").click()
    expect(page.locator(".outcome")).to_contain_text("by hand")
    page.get_by_role("button", name="Reopen").click()
    page.get_by_role("dialog").get_by_role("button", name="Reopen").click()
    expect(page.locator(".outcome")).to_contain_text("Running")

    tab.go(at(ids, "to edit"))
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("dialog").get_by_role("textbox", name="Title").fill("Another <title>")
    page.get_by_role("dialog").get_by_role("textbox", name="Tags").fill("one, two,, one")
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    expect(page.locator("h1")).to_have_text("Another <title>")
    expect(page.locator(".outcome a.badge")).to_have_text(["one", "two"])

    tab.go(at(ids, "to delete"))
    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    with rollbook.open(url_of(path), user=ANN) as book:
        assert book.get("to delete").title == "to delete"
    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    expect(page).to_have_title("Sessions · Rollbook")
    tab.allow("404|410")
    page.go_back()
    expect(page.get_by_text("There is no such session, or you may not see it.")).to_be_visible()


def test_a_session_that_is_deleted_while_one_reads(server: Running, ids: dict[str, str], look: Look, path: Path) -> None:
    with rollbook.open(url_of(path), all_users=True) as book:
        book.add_message("short-lived", role="user", content="hello", user_id=ANN)
    tab = opened(look, server, ids, "short-lived")
    tab.allow("404|410")
    with rollbook.open(url_of(path), all_users=True) as book:
        assert book.delete("short-lived", user_id=ANN)
    expect(tab.page.get_by_text("This session was deleted.")).to_be_visible()
    expect(tab.page.get_by_text("hello")).to_have_count(0)


def test_who_may_not_see_it_learns_nothing(server: Running, ids: dict[str, str], look: Look, path: Path) -> None:
    tab = look(server, key=key_of(path, BOB, "reader"))
    tab.allow("404")
    page = tab.go(at(ids, "talk"))
    expect(page.get_by_text("There is no such session, or you may not see it.")).to_be_visible()
    assert "order" not in page.locator("main").inner_text()
    tab.go(at(ids, "of bob", user=BOB))
    expect(page.locator("h1")).to_have_text("Bob's own")
    expect(page.get_by_text("Nothing was written down of this session.")).to_be_visible()
    # A reader reads.
    for name in ("Edit", "End", "Reopen"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)


def test_what_fails_is_said_and_tried_again(server: Running, ids: dict[str, str], look: Look) -> None:
    tab = look(server)
    tab.allow("500")
    broken = True

    def answer(route: Any) -> None:
        if broken:
            route.fulfill(status=500, json={"error": "it is broken"})
        else:
            route.continue_()

    tab.page.route("**/timeline?*", answer)
    page = tab.go(at(ids, "talk"))
    expect(page.get_by_text("Not everything of this session can be shown.")).to_be_visible()
    expect(page.get_by_text("Nothing was written down")).to_have_count(0)
    broken = False
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("article.entry")).to_have_count(6)


def test_everybody_can_use_it(server: Running, ids: dict[str, str], look: Look) -> None:
    tab = opened(look, server, ids, "talk")
    page = tab.page
    page.locator(".u-over").wait_for()
    page.get_by_role("button", name="find_order").click()
    page.get_by_role("button", name="Give feedback").first.click()
    assert tab.violations() == []
    dark = opened(look, server, ids, "nasty", color_scheme="dark", viewport={"width": 390, "height": 844})
    assert dark.violations() == []
    assert dark.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
