"""`serve`: the book as a service over HTTP, until Ctrl-C."""

from __future__ import annotations

import binascii
import contextlib
import gc
import ipaddress
import logging
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rollbook.cli.desk import Desk, command
from rollbook.cli.screen import say
from rollbook.errors import InvalidInput, NotSupported

if TYPE_CHECKING:
    from rollbook.server.running import Options, Server

PORT: Final = 7655
_TIME: Final = rb"(?:\x17\x0d|\x18\x0f)"  # of two digits for the year, or of four
_VALIDITY: Final = re.compile(rb"\x30." + _TIME + rb"\d{12,14}Z" + _TIME + rb"(\d{12,14})Z", re.DOTALL)
_OBJECTS: Final = 100_000  #: lists, objects and the like, more of them than before, until it is looked for circles
_WITH_CENTURY: Final = 14

HOST = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")]
PORT_OPTION = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes any that is free.")]
NAMES = Annotated[
    list[str] | None,
    typer.Option("--name", metavar="HOST", help="A name by which browsers may ask for the server; as often as needed."),
]
PROXIES = Annotated[
    list[str] | None,
    typer.Option("--proxy", metavar="ADDRESS", help="A proxy whose X-Forwarded-For and -Proto are believed."),
]
CERT = Annotated[Path | None, typer.Option("--cert", metavar="FILE", help="A certificate, for HTTPS (PEM).")]
CERT_KEY = Annotated[Path | None, typer.Option("--cert-key", metavar="FILE", help="Its private key (PEM).")]
BODY = Annotated[int, typer.Option("--body-mb", min=1, max=1024, help="Megabytes that a request may have.")]
RATE = Annotated[int, typer.Option("--rate", min=0, help="Requests that a key may make in a minute; 0: any number.")]
STREAMS = Annotated[int, typer.Option("--streams", min=0, help="Event streams that may be open at once.")]
LOG = Annotated[bool, typer.Option("--log", help="Write a line of JSON for each request to standard error.")]


@command
def serve(
    desk: Desk,
    host: HOST = "127.0.0.1",
    port: PORT_OPTION = PORT,
    name: NAMES = None,
    proxy: PROXIES = None,
    cert: CERT = None,
    cert_key: CERT_KEY = None,
    body_mb: BODY = 16,
    rate: RATE = 600_000,
    streams: STREAMS = 2_000,
    log: LOG = False,
) -> None:
    """Serve the book over HTTP: an API, telemetry in, a live feed. Ctrl-C ends it.

    On this machine alone (the default) the local user is let in by a token, and a sign-in link is printed. On any other
    address keys are needed: see 'rollbook keys create'.
    """
    if (cert is None) != (cert_key is None):
        raise InvalidInput("--cert and --cert-key belong together")
    _look_at(cert, cert_key)
    try:
        from rollbook.server.running import Options  # noqa: PLC0415 - no other command needs it
    except ModuleNotFoundError as error:
        raise NotSupported(
            f"the server needs {error.name}, which is not installed; run: pip install 'rollbook[server]'"
        ) from error
    from rollbook.server.token import local_token  # noqa: PLC0415

    host = host.removeprefix("[").removesuffix("]")  # as it stands in a URL
    local = _is_local(host)
    options = Options(
        host=host, port=port, token=local_token() if local else None, hosts=_names(name), proxies=_proxies(proxy),
        cert=None if cert is None else str(cert), cert_key=None if cert_key is None else str(cert_key),
        body_bytes=body_mb << 20, requests_per_minute=rate, streams=streams, streams_per_key=max(1, streams // 2),
        log=log,
    )  # fmt: skip
    _logging(log)
    _run(desk, options)


def here(desk: Desk, port: int, *, or_any: bool = False) -> None:
    """Serve a book on this machine alone, until Ctrl-C; ``or_any``: on a port that is free where that one is not."""
    from rollbook.server.running import Options  # noqa: PLC0415 - see serve
    from rollbook.server.token import local_token  # noqa: PLC0415

    _logging(requests=False)
    _run(desk, Options(host="127.0.0.1", port=port, token=local_token()), or_any=or_any)


def _look_at(cert: Path | None, cert_key: Path | None) -> None:
    """Raise InvalidInput for a certificate that cannot be used; say so of one that nobody accepts any more."""
    if cert is None or cert_key is None:
        return
    import ssl  # noqa: PLC0415

    def locked() -> str:
        raise InvalidInput(f"{cert_key} has a passphrase, which nobody can be asked for; give a key without one")

    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, cert_key, locked)
    except OSError as error:
        raise InvalidInput(f"{cert} and {cert_key} are no certificate with its key: {error}") from error
    until = _holds_until(cert)
    if until is not None and until < datetime.now(UTC):
        say(f"the certificate {cert} was good until {until:%Y-%m-%d %H:%M} UTC: clients will refuse it")


def _holds_until(cert: Path) -> datetime | None:
    """Until when a certificate is good; None where that is not found."""
    first = re.search(rb"-----BEGIN CERTIFICATE-----(.+?)-----END", cert.read_bytes(), re.DOTALL)
    found = first and _VALIDITY.search(binascii.a2b_base64(first[1]))
    if not found:
        return None
    text = found[1].decode()
    # (A year of two digits is one from 1950 on.)
    whole = text if len(text) == _WITH_CENTURY else f"{'19' if text >= '5' else '20'}{text}"
    try:
        return datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _run(desk: Desk, options: Options, *, or_any: bool = False) -> None:
    import asyncio  # noqa: PLC0415

    from rollbook import aio  # noqa: PLC0415
    from rollbook.server.serve import listening, serve  # noqa: PLC0415

    async def run() -> None:
        async with aio.open(desk.db, user=desk.user, all_users=True) as book:
            if options.token is None and not await book.any_key():
                raise InvalidInput(
                    f"{options.host} can be reached by others, and there is no key by which to tell who asks; make one:"
                    " rollbook keys create --user NAME --role admin"
                )
            on = listening(options, or_any=or_any)
            port = on.getsockname()[1]
            await serve(book, options, on=on, started=lambda server: _greet(server, port))

    # What a request is read into is let go of with it, and little of that in circles: to look through all of it, and
    # all that the program is made of, again and again takes longer than to read it.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS, 10, 10)
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with contextlib.suppress(ModuleNotFoundError):
        import uvloop  # noqa: PLC0415 - faster, where there is one for the platform

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())


def _greet(server: Server, port: int) -> None:
    options = server.options
    host = f"[{options.host}]" if ":" in options.host else options.host
    address = f"{'https' if options.cert else 'http'}://{host}:{port}"
    say(f"serving {address}; Ctrl-C ends it")
    if options.token is not None:
        say(f"sign in: {address}/signin?once={server.doorkeeper.once_code()}")
    sys.stderr.flush()


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names(names: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(name.lower() for name in names or ())


def _proxies(addresses: Sequence[str] | None) -> tuple[str, ...]:
    found = []
    for address in addresses or ():
        try:
            found.append(str(ipaddress.ip_address(address)))
        except ValueError:
            raise InvalidInput(f"a proxy is named by its address, not {address!r}") from None
    return tuple(found)


def _logging(requests: bool) -> None:
    """Warnings and, if asked for, requests go to standard error, a line of JSON each."""
    from rollbook.server.logs import Lines, Seldom  # noqa: PLC0415

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    for name in ("rollbook.server", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [handler], False
    logging.getLogger("uvicorn.error").addFilter(Seldom())  # its messages are few, and name nobody
    logging.getLogger("rollbook.server").setLevel(logging.INFO if requests else logging.WARNING)
