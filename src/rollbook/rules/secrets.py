"""What secrets look like: keys of providers, tokens, passwords that are assigned, sent in headers or put into URLs.

Every pattern takes time in proportion to the text, whatever the text is: a run of characters is only looked at from
where it begins, or as far as a bound. Whether something looks random enough to be a secret is asked of what was found,
not by the pattern. Nearly every text is clean, so what is tried first is what is looked for fastest: single characters,
then marks, then patterns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final, NamedTuple

from rollbook.rules.secret_names import is_secret_name, looks_random, says_place, spared

_SHORTEST: Final = 8  #: characters of a text that holds a secret and what tells of it
_ADJOINING: Final = 8  #: secrets without anything between them: one is only seen when that before it is gone

_RUN: Final = "[A-Za-z0-9_-]"
_FREE: Final = "(?<![A-Za-z0-9])"  #: not within a word
_ALONE: Final = "(?<![A-Za-z0-9_-])"  #: not within a run
_QUOTE: Final = r"\\{0,3}[\"'`]"  #: also within JSON within JSON
#: What stands in a key in text form. (Early versions of Python 3.11 repeat groups possessively in a wrong way, so there
#: are none of these here.)
_PEM: Final = r"[A-Za-z0-9+/=\s:,.()\\]"
_BARE: Final = r"[^\s\"'`,;&<>(){}\[\]\\|]"

#: Kind, marks, pattern: what looks like nothing else.
_SHAPES: Final = (
    ("private-key", ("PRIVATE KEY",), (
        r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:"
        rf"{_PEM}{{1,65536}}(?:-(?!----){_PEM}{{0,65536}}){{0,64}}"
        r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"|(?:\s|\\[nr]){0,64}(?:[A-Za-z0-9+/=]|\s|\\[nr]){64,65536})"
    )),
    ("anthropic-key", ("sk-ant-",), rf"{_FREE}sk-ant-{_RUN}{{16,}}"),
    ("openai-key", ("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-or-v1-"),
     rf"{_FREE}sk-(?:proj|svcacct|admin|or-v1)-{_RUN}{{16,}}"),
    ("openai-key", ("sk-",), rf"{_FREE}sk-[A-Za-z0-9]{{20,}}(?!{_RUN})"),
    ("aws-key", ("AKIA", "ASIA"), rf"{_FREE}A[KS]IA[A-Z0-9]{{16}}(?![A-Za-z0-9])"),
    ("aws-signature", ("X-Amz-",), "(?P<kept>X-Amz-(?:Signature|Security-Token)=)[A-Za-z0-9%+/=_-]{16,}"),
    ("google-key", ("AIza",), rf"{_FREE}AIza{_RUN}{{35}}(?!{_RUN})"),
    ("google-key", ("GOCSPX-",), rf"{_FREE}GOCSPX-{_RUN}{{20,}}"),
    ("google-token", ("ya29.",), rf"{_FREE}ya29\.[A-Za-z0-9_.-]{{20,}}"),
    ("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), rf"{_FREE}gh[pousr]_[A-Za-z0-9]{{30,}}"),
    ("github-token", ("github_pat_",), rf"{_FREE}github_pat_[A-Za-z0-9_]{{22,}}"),
    ("gitlab-token", ("glpat-", "gloas-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glsoat-",
                      "glagent-"),
     rf"{_FREE}gl(?:pat|oas|dt|rt|cbt|ptt|ft|imt|soat|agent)-{_RUN}{{20,}}"),
    ("slack-token", ("xox",), rf"{_FREE}xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{{10,}}"),
    ("slack-token", ("xapp-",), rf"{_FREE}xapp-\d-[A-Za-z0-9-]{{10,}}"),
    ("slack-webhook", ("hooks.slack.com/",),
     r"(?P<kept>hooks\.slack\.com/(?:services|workflows|triggers)/)[A-Za-z0-9/_-]{16,}"),
    ("stripe-key", ("k_live_", "k_test_"), rf"{_FREE}[sr]k_(?:live|test)_[A-Za-z0-9]{{10,}}"),
    ("stripe-key", ("whsec_",), rf"{_FREE}whsec_[A-Za-z0-9+/=]{{20,}}"),
    ("huggingface-token", ("hf_",), rf"{_FREE}hf_[A-Za-z0-9]{{30,}}"),
    ("npm-token", ("npm_",), rf"{_FREE}npm_[A-Za-z0-9]{{36,}}"),
    ("pypi-token", ("pypi-AgE",), rf"{_FREE}pypi-AgE{_RUN}{{40,}}"),
    ("sendgrid-key", ("SG.",), rf"{_FREE}SG\.{_RUN}{{16,64}}+\.{_RUN}{{16,}}"),
    ("azure-key", ("AccountKey=", "SharedAccessKey="), "(?P<kept>(?:AccountKey|SharedAccessKey)=)[A-Za-z0-9+/=]{20,}"),
    ("azure-signature", ("sig=",), "(?P<kept>(?<=[?&;])sig=)[A-Za-z0-9%+/=_-]{20,}"),
    ("jwt", ("eyJ",), rf"{_ALONE}eyJ{_RUN}{{8,}}+\.eyJ{_RUN}{{8,}}+(?:\.{_RUN}+)?"),
    ("key", ("hvs.", "nvapi-", "ATATT3", "AGE-SECRET-KEY-1", "dckr_pat_", "lin_api_", "tvly-", "figd_"), (
        rf"{_FREE}(?:hvs\.{_RUN}{{20,}}|nvapi-{_RUN}{{50,}}|ATATT3[A-Za-z0-9_=-]{{40,}}|AGE-SECRET-KEY-1[A-Z0-9]{{50,}}"
        rf"|dckr_pat_{_RUN}{{24,}}|lin_api_[A-Za-z0-9]{{32,}}|tvly-{_RUN}{{28,}}|figd_{_RUN}{{36,}})"
    )),
    ("key", ("gsk_", "xai-", "pplx-", "r8_", "ntn_", "phx_", "dapi", "shp", "_v1_", "glsa_"), (
        rf"{_FREE}(?:(?:gsk_|xai-|pplx-|ntn_|phx_)[A-Za-z0-9]{{40,}}|r8_[A-Za-z0-9]{{37}}(?![A-Za-z0-9])"
        rf"|dapi[0-9a-f]{{32}}(?![A-Za-z0-9])|shp(?:at|ss|ca|pa)_[A-Fa-f0-9]{{32}}(?![A-Za-z0-9])"
        rf"|do[opr]_v1_[a-f0-9]{{64}}(?![A-Za-z0-9])|glsa_[A-Za-z0-9]{{32}}_[a-f0-9]{{8}}(?![A-Za-z0-9]))"
    )),
    ("bot-token", (":AA",), rf"{_ALONE}\d{{8,10}}:AA{_RUN}{{33}}(?!{_RUN})"),
)  # fmt: skip

#: What comes before an underscore or a hyphen in a mark: to be asked at each of them, which are quickly found.
_UNDERSCORED: Final = (
    "_(?:(?<=gh[pousr]_)|(?<=_pat_)|(?<=k_live_)|(?<=k_test_)|(?<=whsec_)|(?<=hf_)|(?<=npm_)|(?<=lin_api_)|(?<=figd_)"
    "|(?<=gsk_)|(?<=r8_)|(?<=ntn_)|(?<=phx_)|(?<=shp.._)|(?<=_v1_)|(?<=glsa_))[A-Za-z0-9]"
)
_HYPHENED: Final = (
    "-(?:(?<=sk-)|(?<=gl[a-z]{2}-)|(?<=gl[a-z]{3}-)|(?<=gl[a-z]{4}-)|(?<=gl[a-z]{5}-)|(?<=xox[a-z]-)|(?<=xapp-)"
    "|(?<=GOCSPX-)|(?<=X-Amz-)|(?<=nvapi-)|(?<=tvly-)|(?<=xai-)|(?<=pplx-)|(?<=KEY-)|(?<=pypi-)|(?<=-----)(?=BEGIN))"
)
#: Marks without either.
_OTHERS: Final = (
    "eyJ", "AKIA", "ASIA", "AIza", "ya29.", "SG.", "hvs.", "ATATT3", "dapi", "sig=", ":AA", "AccountKey=", "AccessKey=",
    "hooks.slack.com/",
)  # fmt: skip

_LOGIN: Final = rf"(?<![a-z0-9-])FLAG[ =](?:{_QUOTE})?[^\s:\"'\\]{{1,64}}:(?P<secret>[^\s\"'\\@]{{4,256}})"
#: Kind, mark, pattern of what stands behind a name, in small letters. The secret is asked whether it looks like one.
_SENT: Final = (
    ("authorization", "authorization", (
        rf"authorization(?:{_QUOTE})?[ \t]{{0,4}}[:=][ \t]{{0,4}}(?:{_QUOTE})?"
        r"(?:(?:bearer|basic|token|apikey|api-key|key|negotiate)[ \t]{1,4})?(?P<secret>[a-z0-9._~+/=:-]{6,})"
    )),
    ("authorization", "bearer ", r"bearer {1,4}(?P<secret>[a-z0-9._~+/=-]{16,})"),
    ("cookie", "cookie", (
        rf"cookie(?:{_QUOTE})?[ \t]{{0,4}}[:=][ \t]{{0,4}}(?:{_QUOTE})?"
        r"(?P<secret>[a-z0-9_.-]{1,128}=[^\s;,\"'\\<>\[\]]{4,4096}"
        r"(?:;[ \t]{0,2}[a-z0-9_.-]{1,128}=[^\s;,\"'\\<>\[\]]{0,4096}){0,200})"
    )),
    ("password", "-u", _LOGIN.replace("FLAG", "-u")),
    ("password", "user", _LOGIN.replace("FLAG", "--(?:proxy-)?user")),
)  # fmt: skip

_URL: Final = r"://[^\s/@:?#\"'<>\\]{0,64}:(?P<secret>[^\s/?#,\"'<>\\]{1,256})(?=@)"

_NAME: Final = (
    r"(?:pass(?:word|(?<!/pass)wd|phrase|code)|pwd|secret(?:[_-]?(?:key|token|value))?|token|credentials?"
    r"|(?:api|access|private|signing|encryption|auth|account|subscription|master)[_-]?key)"
)
_ASSIGNED: Final = (
    rf"(?P<name>{_NAME})\d{{0,2}}(?:{_QUOTE})?[ \t]{{0,4}}(?P<sign>:=|=>|=|:)[ \t]{{0,4}}"
    rf"(?:(?P<quote>{_QUOTE})(?P<quoted>[^\r\n]{{1,512}}?)(?<!\\)(?P=quote)|(?P<bare>{_BARE}{{3,512}}))"
)
_FLAG: Final = rf"(?<![a-z0-9-])--[a-z0-9-]{{0,40}}?(?P<name>{_NAME})[ \t]{{1,4}}(?P<bare>(?!-){_BARE}{{3,512}})"
_BEFORE: Final = 20  #: characters before a name that may belong to it
#: What is in every text that an assignment is found in.
_STEMS: Final = ("token", "key", "secret", "passw", "passp", "passc", "pwd", "credential")

Span = tuple[int, int, str]  #: where a secret begins and ends, and its kind


class _Shape(NamedTuple):
    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str]], str]


def marked(kind: str) -> str:
    """What stands in place of a secret."""
    return f"[redacted:{kind}]"


def _shape(kind: str, marks: tuple[str, ...], pattern: str) -> _Shape:
    """A pattern of which everything behind ``kept`` is the secret."""
    compiled, mark = re.compile(pattern), marked(kind)
    if "kept" in compiled.groupindex:
        return _Shape(marks, compiled, lambda match: match["kept"] + mark)
    if kind == "openai-key":
        return _Shape(marks, compiled, lambda match: mark if looks_random(match[0]) else match[0])
    return _Shape(marks, compiled, lambda _: mark)


#: Compiled where it is first used: not every program that opens a book says something.
_compiled: Final = cache(re.compile)


@cache
def _shapes() -> tuple[_Shape, ...]:
    return tuple(_shape(*shape) for shape in _SHAPES)


def default(text: str) -> str:
    """A text without the secrets in it."""
    if len(text) < _SHORTEST:
        return text
    if _may_hold(text):
        text = _shaped(text)
    if ":" in text or "=" in text or "-" in text or "earer " in text or "EARER " in text:
        text = _said(text)
    return text


def _may_hold(text: str) -> bool:
    """Whether there is a mark in a text."""
    if "-" in text and _compiled(_HYPHENED).search(text):
        return True
    if "_" in text and _compiled(_UNDERSCORED).search(text):
        return True
    for mark in _OTHERS:  # noqa: SIM110 - every text comes by here, and any() takes twice as long
        if mark in text:
            return True
    return False


def named(name: str, value: str) -> str:
    """The value of a field, without a secret that its name tells of."""
    kind = is_secret_name(name)
    if kind is None or spared(kind, value, bare=False):
        return value
    return marked(kind)


def _shaped(text: str) -> str:
    for _ in range(_ADJOINING):
        before = text
        for marks, pattern, replace in _shapes():
            for mark in marks:
                if mark in text:
                    text = pattern.sub(replace, text)
                    break
        if text == before:
            break
    return text


def _said(text: str) -> str:
    """What names, headers, flags and URLs tell of."""
    if "://" in text and "@" in text:
        text = _without(text, _in_urls(text))
    small = _small(text)
    for kind, mark, pattern in _SENT:
        if mark in small:
            text = _without(text, _sent(kind, _compiled(pattern), small, text))
            small = _small(text)
    if any(stem in small for stem in _STEMS):
        text = _without(text, _assigned(small, text))
        if "--" in text:
            text = _without(text, _flagged(_small(text), text))
    return text


def _small(text: str) -> str:
    """A text in small letters, each where it was."""
    small = text.lower()
    if len(small) == len(text):
        return small
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def _without(text: str, spans: Iterator[Span]) -> str:
    parts, at = [], 0
    for start, end, kind in spans:
        parts += [text[at:start], marked(kind)]
        at = end
    return "".join([*parts, text[at:]]) if parts else text


def _in_urls(text: str) -> Iterator[Span]:
    for match in _compiled(_URL).finditer(text):
        if not spared("password", match["secret"], bare=False):
            yield *match.span("secret"), "password"


def _sent(kind: str, pattern: re.Pattern[str], small: str, text: str) -> Iterator[Span]:
    for match in pattern.finditer(small):
        start, end = match.span("secret")
        if looks_random(text[start:end]) and not text[start:end].isdigit():
            yield start, end, kind


def _assigned(small: str, text: str) -> Iterator[Span]:
    for match in _compiled(_ASSIGNED).finditer(small):
        kind = is_secret_name(match["name"]) or "secret"
        if kind == "token" and says_place(small[max(0, match.start() - _BEFORE) : match.end("name")]):
            continue
        if match["quoted"] is not None:
            start, end = match.span("quoted")
            if not spared(kind, text[start:end], bare=False):
                yield start, end, kind
        else:
            start, end = match.span("bare")
            value = text[start:end].rstrip(".:")
            if not _is_code(match) and not spared(kind, value, bare=True, colon=match["sign"] != "="):
                yield start, start + len(value), kind


def _flagged(small: str, text: str) -> Iterator[Span]:
    for match in _compiled(_FLAG).finditer(small):
        kind = is_secret_name(match["name"]) or "secret"
        start, end = match.span("bare")
        if not _is_code(match) and not spared(kind, text[start:end], bare=True):
            yield start, end, kind


def _is_code(match: re.Match[str]) -> bool:
    """Whether what is assigned is called or indexed, and so is no text."""
    return match.string[match.end() : match.end() + 1] in ("(", "[")
