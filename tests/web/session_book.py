"""A book of sessions for the tests of one session's page: talkative, odd, hostile, long, alive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from playwright.sync_api import Page

from rollbook import Rollbook
from server.tools import Running

from .conftest import Look, Tab

ANN, BOB = "ann@example.org", "bob@example.org"
ODD: Final = "nightly/a b/ü?#%"
MANY: Final = 10_000
ROWS_AT_ONCE: Final = 120  #: in sight and somewhat beyond it
NASTY: Final = """<script>window.hurt = 1</script>
<img src=x onerror='window.hurt = 1'>
[a](javascript:window.hurt=1)
[b](JaVaScRiPt&colon;alert(1))
[c](data:text/html,<script>window.hurt=1</script>)
<javascript:window.hurt=1>
![picture](https://elsewhere.example/x.png)
<svg/onload=window.hurt=1>
<a href='javascript:window.hurt=1'>d</a>
[good](https://example.com/way)
[https://bank.example](https://evil.example/)
</div></main><style>*{display:none}</style>
safe\u202egnp.exe \u0007bell \u200bnothing"""


def fill(book: Rollbook) -> None:
    """Write all of it."""
    start = datetime.now(UTC) - timedelta(hours=3)

    def at(seconds: float) -> datetime:
        return start + timedelta(seconds=seconds)

    book.touch("talk", user_id=ANN, at=start, agent="support-bot", title="Where is my order", tags=["shop"])
    book.record_usage("talk", user_id=ANN, model="m-1", tokens_in=900, tokens_out=20, cost_usd=0.5, occurred_at=at(2))
    book.record_usage(
        "talk", user_id=ANN, model="m-1", tokens_in=10, errored=True, occurred_at=at(15), usage_id="broken"
    )
    book.add_trace_step("talk", origin_function="find_order", method_params={"path": "/orders/12"},
        method_return_value={"state": "sent"}, trace_id="t1", duration_s=1.5, at=at(5), user_id=ANN)  # fmt: skip
    book.add_trace_step("talk", origin_function="find_parcel", status="error", error="Timeout",
        error_message="no answer in 10 s", trace_id="t2", at=at(12), user_id=ANN)  # fmt: skip
    book.add_qa(
        "talk",
        question="Where is it?",
        answer="It was **sent** on Monday.",
        qa_id="q1",
        context="orders",
        at=at(20),
        user_id=ANN,
    )
    book.add_qa("talk", question="And now?", answer="See\n\n```py\nx = 1\n```", qa_id="q2", at=at(2000), user_id=ANN)
    book.set_state("talk", values={"step": {"n": 3}}, user_id=ANN)
    book.set_graph_context("talk", "order 12 belongs to ann", user_id=ANN)
    book.touch("talk/helper", user_id=ANN, parent="talk", title="Ask the depot", at=at(6))
    book.record_usage("talk/helper", user_id=ANN, model="m-1", tokens_in=10, cost_usd=0.25, occurred_at=at(7))
    book.end("talk/helper", "completed", user_id=ANN, at=at(9))

    book.touch(ODD, user_id=ANN, title="Odd id")
    book.add_message(ODD, role="user", content="odd it is", message_id="m/1 ?#", user_id=ANN)
    book.touch(
        "nasty",
        user_id=ANN,
        title=NASTY[:900],
        agent="<b>x</b>",
        project="<img src=x onerror=window.hurt=1>",
        tags=["<i>t</i>"],
    )
    for role in ("user", "assistant", "tool"):
        book.add_message("nasty", role=role, content=NASTY, user_id=ANN)
    book.add_qa(
        "nasty", question=NASTY, answer=NASTY, context=NASTY, feedback_text=NASTY, feedback_score=2, user_id=ANN
    )
    book.add_trace_step("nasty", origin_function="<script>", method_params={"<script>": NASTY},
        method_return_value=NASTY, status="error", error_message=NASTY, user_id=ANN)  # fmt: skip
    book.append("nasty", "own", entries=[NASTY, {"__proto__": NASTY}], user_id=ANN)
    book.set_state("nasty", values={"<b>key</b>": NASTY}, user_id=ANN)

    book.touch("many", user_id=ANN, title="Very many", at=start)
    for low in range(0, MANY, 1000):
        bodies = [
            {"role": "assistant" if n % 7 else "user", "content": f"line {n} " + "and more of it " * (n % 23)}
            for n in range(low, low + 1000)
        ]
        book.append(
            "many", "log", entries=bodies, ids=[f"e{n}" for n in range(low, low + 1000)], user_id=ANN, at=at(low)
        )
    book.touch("live", user_id=ANN, title="Still at it")
    for n in range(60):
        book.add_message(
            "live",
            role="user" if n % 2 else "assistant",
            content=f"line {n}",
            message_id=f"m{n}",
            user_id=ANN,
            at=at(n),
        )
    for name in ("to end", "to delete", "to edit"):
        book.touch(name, user_id=ANN, title=name)
    book.touch("empty", user_id=ANN)
    book.touch("of bob", user_id=BOB, title="Bob's own")
    book.add_message(
        "long", role="assistant", content="begin " + "word " * 3000 + "THE END", message_id="m1", user_id=ANN
    )


def at(ids: dict[str, str], session_id: str, anchor: str = "", user: str = ANN) -> str:
    """The address of a session's page."""
    return f"/session/{ids[user]}/{quote(session_id, safe='')}{anchor and '#' + anchor}"


def opened(look: Look, server: Running, ids: dict[str, str], session_id: str, anchor: str = "", **said: Any) -> Tab:
    """The page of a session, with its first entries."""
    tab = look(server, at(ids, session_id, anchor), **said)
    tab.page.locator("article.entry").first.wait_for()
    return tab


def here(page: Page) -> Any:
    """The entry where one is."""
    return page.locator("article.entry-here")


def ids_of(server: Running) -> dict[str, str]:
    """The ids of users by what they are called."""
    with server.client() as client:
        lines = client.get("/api/v1/sessions", params={"range": "all", "limit": 100}).json()["sessions"]
    found = {each["session_id"]: each["user_id"] for each in lines}
    return {ANN: found["talk"], BOB: found["of bob"]}
