from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rollbook.cli.table import ELLIPSIS, Column, layout, plain, shorten, width

FAMILY = "👩\u200d👩\u200d👧"

COLUMNS = (
    Column(title="ID", least=6),
    Column(title="STATUS", styles={"failed": "red"}),
    Column(title="CALLS", right=True, spare=1),
    Column(title="PROJECT", least=8, from_left=True, spare=2),
    Column(title="TITLE", least=8, spare=3, style="dim"),
)
ROWS = (
    ("0190-0000-1111", "running", "7", "/home/x/a-long-folder", "Fix the basket"),
    ("日本語の識別子です", "failed", "1,234", "~/b", "[red]not markup[/red]"),
)


def _texts(most: int | None) -> list[str]:
    return [plain(line) for line in layout(COLUMNS, ROWS, most)]


def test_width_counts_what_a_terminal_shows() -> None:
    assert [width(text) for text in ("abc", "日本", "e\u0301", FAMILY, "")] == [3, 4, 1, 2, 0]


def test_shorten_keeps_characters_whole() -> None:
    assert shorten("日本語", 6) == "日本語"
    assert shorten("日本語", 5) == "日本…"
    assert shorten("日本語", 4) == "日…"
    assert shorten("e\u0301e\u0301e\u0301", 2) == "e\u0301…"
    assert shorten(FAMILY + FAMILY, 3) == FAMILY + ELLIPSIS
    assert shorten("/home/x/shop", 6, from_left=True) == "…/shop"
    assert shorten("abc", 1) == ELLIPSIS
    assert shorten("abc", 0) == ""
    assert shorten("", 0) == ""


@given(st.text(max_size=40), st.integers(min_value=0, max_value=45), st.booleans())
def test_shorten_stays_within(text: str, most: int, from_left: bool) -> None:
    assert width(shorten(text, most, from_left=from_left)) <= max(most, 0)


def test_whole_in_a_pipe() -> None:
    lines = _texts(None)
    assert lines[0].split() == ["ID", "STATUS", "CALLS", "PROJECT", "TITLE"]
    for row, line in zip(ROWS, lines[1:], strict=True):
        assert all(cell in line for cell in row)
        assert ELLIPSIS not in line


def test_columns_stand_under_each_other() -> None:
    heading, *rows = _texts(None)
    at = width(heading[: heading.index("STATUS")])
    for row, line in zip(ROWS, rows, strict=True):
        assert width(line[: line.index(row[1])]) == at
    end = width(heading[: heading.index("CALLS")]) + len("CALLS")
    assert [width(line[: line.index(f"{row[2]}  ") + len(row[2])]) for row, line in zip(ROWS, rows, strict=True)] == [
        end,
        end,
    ]


@given(st.integers(min_value=8, max_value=140))
def test_fits_every_terminal(most: int) -> None:
    assert all(width(text) <= most for text in _texts(most))


def test_shortens_before_it_leaves_out() -> None:
    fifty_eight = _texts(58)
    assert "TITLE" in fifty_eight[0]
    assert any(ELLIPSIS in line for line in fifty_eight)
    forty = _texts(40)
    assert "TITLE" not in forty[0]
    assert "PROJECT" in forty[0]
    twenty = _texts(20)
    assert "PROJECT" not in twenty[0]
    assert twenty[0].split() == ["ID", "STATUS"]


def test_styles_do_not_count_as_width() -> None:
    lines = layout(COLUMNS, ROWS, 60)
    assert ("failed", "red") in lines[2]
    assert ("STATUS", "bold") in lines[0]


@given(
    st.lists(
        st.lists(st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs")), max_size=20), min_size=5, max_size=5),
        max_size=4,
    ),
    st.integers(min_value=8, max_value=100),
)
def test_any_text_fits(rows: list[list[str]], most: int) -> None:
    assert all(width(plain(line)) <= most for line in layout(COLUMNS, rows, most))
