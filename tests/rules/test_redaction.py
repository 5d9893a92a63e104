"""Keys, tokens and passwords are taken out of texts; what only looks a little like one stays as it was."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollbook import redact as default
from rollbook.errors import InvalidInput
from rollbook.rules.redaction import Redactor


def run(length: int, letters: str = "a1B2c3D4e5F6g7H8") -> str:
    """So many characters that look random."""
    return (letters * (length // len(letters) + 1))[:length]


HEX: Final = "0123456789abcdef"
PEM: Final = f"-----BEGIN RSA PRIVATE KEY-----\n{run(64)}\n{run(30)}==\n-----END RSA PRIVATE KEY-----"
JWT: Final = f"eyJ{run(20)}.eyJ{run(40)}.{run(43)}"

#: Kind, secret: what is recognised by itself, wherever it stands.
SHAPES: Final = [
    ("anthropic-key", f"sk-ant-api03-{run(80)}"),
    ("openai-key", f"sk-proj-{run(48)}_{run(20)}"),
    ("openai-key", f"sk-svcacct-{run(48)}"),
    ("openai-key", f"sk-{run(48)}"),
    ("openai-key", f"sk-or-v1-{run(64, HEX)}"),
    ("google-key", f"AIza{run(35)}"),
    ("google-key", f"GOCSPX-{run(28)}"),
    ("google-token", f"ya29.{run(60)}"),
    ("aws-key", "AKIA" + run(16, "ABC2DEF3")),
    ("aws-key", "ASIA" + run(16, "ABC2DEF3")),
    *[("github-token", f"gh{kind}_{run(36)}") for kind in "pousr"],
    ("github-token", f"github_pat_{run(22)}_{run(59)}"),
    ("gitlab-token", f"glpat-{run(20)}"),
    ("gitlab-token", f"glrt-{run(20)}"),
    ("slack-token", f"xoxb-123456789012-1234567890123-{run(24)}"),
    ("slack-token", f"xoxe.xoxp-1-{run(60)}"),
    ("slack-token", f"xapp-1-A012-{run(40)}"),
    ("stripe-key", f"sk_live_{run(24)}"),
    ("stripe-key", f"rk_test_{run(24)}"),
    ("stripe-key", f"whsec_{run(32)}"),
    ("huggingface-token", f"hf_{run(34)}"),
    ("npm-token", f"npm_{run(36)}"),
    ("pypi-token", f"pypi-AgEIcHlwaS5vcmc{run(60)}"),
    ("sendgrid-key", f"SG.{run(22)}.{run(43)}"),
    ("jwt", JWT),
    ("bot-token", f"123456789:AA{run(33)}"),
    ("private-key", PEM),
    ("private-key", PEM.replace("\n", "\\n")),
    ("private-key", PEM.replace("RSA ", "OPENSSH ")),
    ("private-key", PEM.replace("RSA ", "")),
    ("private-key", PEM.replace("KEY", "KEY BLOCK").replace("RSA", "PGP")),
    ("key", f"gsk_{run(52)}"),
    ("key", f"xai-{run(80)}"),
    ("key", f"pplx-{run(48)}"),
    ("key", f"r8_{run(37)}"),
    ("key", f"nvapi-{run(64)}"),
    ("key", f"tvly-dev-{run(32)}"),
    ("key", f"lin_api_{run(40)}"),
    ("key", f"ntn_{run(46)}"),
    ("key", f"figd_{run(40)}"),
    ("key", f"shpat_{run(32, HEX)}"),
    ("key", f"dop_v1_{run(64, HEX)}"),
    ("key", f"dapi{run(32, HEX)}"),
    ("key", f"hvs.{run(24)}"),
    ("key", f"dckr_pat_{run(27)}"),
    ("key", f"glsa_{run(32)}_{run(8, HEX)}"),
    ("key", f"phx_{run(43)}"),
    ("key", f"ATATT3{run(180)}=ABCDEF12"[:190]),
    ("key", f"AGE-SECRET-KEY-1{run(58, 'QPZRY9X8GF2')}"),
]

#: What stands before a secret, the secret, what stands behind it, and the kind.
PLACES: Final = [
    ("password=", "hunter2", "", "password"),
    ("PASSWORD=", "swordfish", "\nexport X=1", "password"),
    ("DB_PASSWORD=", "12345678", "", "password"),
    ("password: ", "hunter2", "\n", "password"),
    ("passwd='", "it is", "' and more", "password"),
    ('"password": "', "hunter2", '", "user": "bob"', "password"),
    ('{\\"password\\": \\"', "hunter2", '\\", \\"user\\": \\"bob\\"}', "password"),
    ('{\\\\\\"dbPassword\\\\\\":\\\\\\"', "hunter2", '\\\\\\"}', "password"),
    ('password = "', 'hunt\\"er2', '"', "password"),
    ("'passphrase' => '", "correct horse battery staple", "',", "passphrase"),
    ("client_secret=", "Zm9vYmFy1", "&grant_type=refresh_token", "secret"),
    ("clientSecret: '", "shortandsweet", "'", "secret"),
    ("?token=", "abcdef0123456789", "&page=2", "token"),
    ("access_token=", "abcdef0123456789", ";", "token"),
    ("GITHUB_TOKEN: ", "abcdef0123456789", "", "token"),
    ("api_key: ", run(32, HEX), "", "key"),
    ("x-api-key: ", run(32, HEX), "\r\nAccept: */*", "key"),
    ("apiKey = `", run(24), "`", "key"),
    ("aws_secret_access_key = ", "wJalrXUtnFEMI/K7MDENG+bPxRfiCY4", "", "key"),
    ("Ocp-Apim-Subscription-Key: ", run(32, HEX), "", "key"),
    ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=", run(86) + "==", ";EndpointSuffix=x", "azure-key"),
    ("https://a.blob.core.windows.net/c?sv=1&sig=", run(43) + "%3D", "&se=2", "azure-signature"),
    ("https://b.s3.amazonaws.com/k?X-Amz-Signature=", run(64, HEX), "&x=1", "aws-signature"),
    ("https://hooks.slack.com/services/", "T012ABCDE/B012ABCDE/" + run(24), " posts", "slack-webhook"),
    ("Authorization: Bearer ", run(20), "\n", "authorization"),
    ("-H 'authorization: Basic ", "dXNlcjpwYXNzd29yZA==", "' https://x", "authorization"),
    ('{"Authorization": "Token ', run(20), '"}', "authorization"),
    ("sent bearer ", run(24), " to it", "authorization"),
    ("Cookie: ", "sid=abcdef1234; theme=dark", "\n", "cookie"),
    ("Set-Cookie: ", "session=eyabc12345; Path=/", "", "cookie"),
    ("postgres://bob:", "s3cret", "@db:5432/shop", "password"),
    ("https://oauth2:", "p@ss.w0rd", "@example.org/repo.git", "password"),
    ("redis://:", "hunter2", "@cache:6379/0", "password"),
    ("login --password ", "hunter2", " --user bob", "password"),
    ("cli --api-key ", run(20), " run", "key"),
    ("curl -u bob:", "hunter22", " https://x", "password"),
    ("curl --user 'bob:", "hunter22", "' https://x", "password"),
]

#: What stays as it is.
CLEAN: Final = [
    "",
    "the token count = 12345678",
    "token: 12345678, tokens: 99",
    "max_tokens=4096 prompt_tokens: 12345678",
    "first_token: 1234.567ms",
    "cost_per_token = 0.00000123456",
    'next_token=aBc12345defGH67 {"nextPageToken": "CAESBk9abc12xyz34", "continuation-token": "x1Y2z3W4v5U6"}',
    "token=args.token",
    "token = accessToken",
    "password = get_password()",
    "password: str | None = None",
    "password=password, api_key=api_key, secret=settings.secret",
    "def login(user: str, password: str) -> Token:",
    "password: the thing that you type",
    'password: "must be at least eight characters"',
    "PASSWORD=$DB_PASSWORD PASSWORD=${DB_PASSWORD} PASSWORD={{ password }} PASSWORD=<your password> PASSWORD=****",
    'api_key="YOUR_API_KEY" api_key=os.environ["OPENAI_API_KEY"]',
    '{"type": "password", "token": "the", "logprob": -0.3}',
    "Authorization: Bearer $TOKEN",
    "authorization: basic authentication is used",
    "the bearer of this letter; bearer responsibilities",
    "cookie: a small cake; cookies=3",
    "docker run -u 1000:1000 --user bob image",
    "postgres://user:password@localhost/db and postgres://bob@localhost and http://host:8080/a@b",
    "https://example.org/?q=me@example.org",
    "bob@example.org",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    "it begins with -----BEGIN RSA PRIVATE KEY----- and what follows is the key",
    "sk-learn-is-a-library sk-abc task-abcdefghijklmnopqrstuvwx1 sk-thisisalongwordwithoutanything",
    "eyJhbGciOiJIUzI1NiJ9 alone is no token",
    "AKIA AKIAlowercase0123456 XAKIAABC2DEF3ABC2DEF3",
    "ghp_short hf_model_name npm_config_registry",
    "def hf_a_long_name_of_a_function_with_1_digit(): ...",
    "keyboard: qwerty12345; monkey=banana12345678; hotkey: ctrl12345678",
    "secretary: Bob12345678",
    "[redacted:password] password=[redacted:password] Authorization: Bearer [redacted:authorization]",
    str(uuid.UUID(int=2**127 + 12345)),
    "commit " + run(40, HEX),
    "sha256:" + run(64, HEX),
    "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 8).decode(),
    "résumé : naïve = café; İstanbul; 密码: 看这里; пароль",
    "C:\\Users\\bob\\token.txt and /etc/passwd: root:x:0:0",
    "expected ':' but found '='; a == b; x := y",
]


@pytest.mark.parametrize(("kind", "secret"), SHAPES)
def test_keys_are_recognised_by_themselves(kind: str, secret: str) -> None:
    for before, behind in (("", ""), ("use ", " now"), ('"', '"'), ("\n", "\n"), ("(", ")."), ("é", "é"), ("=", ",")):
        assert default(f"{before}{secret}{behind}") == f"{before}[redacted:{kind}]{behind}"


@pytest.mark.parametrize(("before", "secret", "behind", "kind"), PLACES)
def test_secrets_are_recognised_by_where_they_stand(before: str, secret: str, behind: str, kind: str) -> None:
    for around in ("", "İ some text before: ", "line\n"):
        told = f"{around}{before}{secret}{behind}"
        assert default(told) == f"{around}{before}[redacted:{kind}]{behind}"


@pytest.mark.parametrize("text", CLEAN)
def test_what_is_no_secret_stays(text: str) -> None:
    assert default(text) == text


def test_an_unfinished_private_key_is_taken_out() -> None:
    assert default(PEM.partition("-----END")[0] + "...") == "[redacted:private-key]..."


PIECES: Final = st.sampled_from(
    [secret for _, secret in SHAPES]
    + [part for place in PLACES for part in (place[0], place[1], place[2], "".join(place[:3]))]
    + CLEAN
    + ["=", ":", ": ", '"', "'", "\\", "-", "--", "_", "/", "@", " ", "\n", ".", "password", "token", "[redacted:x]"]
)


@example(f"AGE-SECRET-KEY-1{'QPZRY9X8GF2' * 5}sk-ant-api03-{'a1B2c3D4e5F6g7H8' * 2}")
@given(st.lists(PIECES | st.text(max_size=5), max_size=8).map("".join))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = default(text)
    assert default(once) == once


@given(st.lists(PIECES, max_size=6), st.sampled_from(SHAPES))
def test_whatever_stands_around_it_a_key_between_spaces_goes(around: list[str], shape: tuple[str, str]) -> None:
    assert shape[1] not in default(" ".join([*around, shape[1], *around]))


#: What makes patterns that look back and forth take the square of the time.
HOSTILE: Final = [
    "eyJ", "sk-", "sk-ant-", "SG.aaaaaaaaaaaaaaaaaaaa", "-----BEGIN RSA PRIVATE KEY-----", "token=",
    "token='", "key-", "-----BEGIN RSA PRIVATE KEY-----\n", 'password="a', "password: ", "--", "--a",
    "--password ", "://a:", "://a:b", "pass", "cookie: a=", "cookie: a", "Cookie: abcd=efgh;",
    "authorization: ", "authorization:bearer ", "bearer ", "a" * 50, "\\", '\\"', "token\\", "-u a:",
    "123456789:AA", "xoxb-", "AKIA", "AIza", "eyJaaaaaaaaaaa.", "eyJaaaaaaaaaaa.eyJ", "\n", " ", "=", "ghp_",
    "_", "-", "secret ", "private key", "token     ", "hooks.slack.com/services/", "password='\\'", "://",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_with_the_text_and_no_faster(piece: str) -> None:
    def seconds(length: int) -> float:
        text = (piece * (length // len(piece) + 1))[:length]
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            default(text)
            best = min(best, time.perf_counter() - began)
        return best

    # Eight times the text takes eight times as long; the square would be 64 times.
    assert any(seconds(160_000) / seconds(20_000) < 28 for _ in range(3))


# values


def test_values_are_redacted_wherever_they_stand() -> None:
    given: dict[str, Any] = {
        "args": ["--token abcdef0123456789", {"env": {"API_KEY": run(32, HEX), "PATH": "/bin"}}],
        "password": "swordfish",
        "n": 5, "f": 0.5, "t": True, "none": None, "big": 10**30,
    }  # fmt: skip
    assert Redactor().value(given) == {
        "args": ["--token [redacted:token]", {"env": {"API_KEY": "[redacted:key]", "PATH": "/bin"}}],
        "password": "[redacted:password]",
        "n": 5, "f": 0.5, "t": True, "none": None, "big": 10**30,
    }  # fmt: skip
    assert given["password"] == "swordfish"


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("password", "swordfish", "[redacted:password]"),
        ("dbPassword", "swordfish", "[redacted:password]"),
        ("passphrase", "correct horse battery staple", "[redacted:passphrase]"),
        ("client_secret", "abc", "[redacted:secret]"),
        ("api_key", run(16, HEX), "[redacted:key]"),
        ("Authorization", "Digest abcdefgh", "[redacted:authorization]"),
        ("cookie", "sid=abcdef12", "[redacted:cookie]"),
        ("token", " the", " the"),
        ("token", "2024-11-21", "2024-11-21"),
        ("next_page", run(32), run(32)),
        ("password", "string", "string"),
        ("password", "${DB_PASSWORD}", "${DB_PASSWORD}"),
        ("password_hint", "the name of my cat", "the name of my cat"),
        ("tokens", "12345678a", "12345678a"),
    ],
)
def test_the_name_of_a_field_may_tell_of_a_secret(name: str, value: str, kept: str) -> None:
    assert Redactor().value({name: value}) == {name: kept}
    assert Redactor().value({name: kept}) == {name: kept}


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | PIECES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | PIECES, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_values_keep_their_shape_and_are_redacted_once(value: Any) -> None:
    def shape(one: Any) -> Any:
        if isinstance(one, dict):
            return {key: shape(item) for key, item in one.items()}
        return [shape(item) for item in one] if isinstance(one, list) else type(one)

    once = Redactor().value(value)
    assert shape(once) == shape(value)
    assert Redactor().value(once) == once


# a function of one's own


def test_ones_own_function_gets_each_text_and_may_use_the_default() -> None:
    own = Redactor(lambda text: default(text).replace("Bob", "somebody"))
    assert own.value({"password": "Bob", "a": ["Bob's token=abcdef0123456789", 5]}) == {
        "password": "somebody",
        "a": ["somebody's token=[redacted:token]", 5],
    }


def _raise(text: str) -> str:
    raise KeyError(text)


@pytest.mark.parametrize(("own", "said"), [(_raise, "raised KeyError"), (lambda _: None, "answered NoneType")])
def test_a_function_that_fails_is_told_without_the_text(own: Callable[[str], Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        Redactor(own).text("hunter2")
    assert "hunter2" not in str(caught.value)


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(InvalidInput, match="redact must be"):
        Redactor("off")  # type: ignore[arg-type]
