"""Whatever is posted: records, or one of the errors meant for it; and memory in proportion to what is allowed."""

from __future__ import annotations

import contextlib
import copy
import functools
import gzip
import json
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otlp.bodies import MOST, NANOS, as_json, as_protobuf, attributes, read, request, span
from rollbook.errors import InvalidInput, TooLarge
from rollbook.otlp import wire
from rollbook.otlp.records import Decoded

SIGNALS: list[wire.Signal] = list(get_args(wire.Signal))
KINDS = st.sampled_from([wire.JSON, wire.PROTOBUF])
ENCODINGS = st.sampled_from(["", "gzip", "deflate"])
POINT = {"timeUnixNano": str(NANOS), "asInt": "3", "attributes": attributes({"type": "input"})}
RECORDS: dict[str, list[dict[str, Any]]] = {
    "traces": [span(attributes=attributes({"a": 1, "b": ["x", {"y": 0.5}]})), span(events=[{"name": "e"}])],
    "logs": [{"timeUnixNano": str(NANOS), "body": {"stringValue": "hi"}, "attributes": attributes({"a": 1})}],
    "metrics": [{"name": "m", "sum": {"dataPoints": [POINT, POINT], "aggregationTemporality": 2}}],
}
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("1760000000000000000"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def tried(signal: wire.Signal, body: bytes, kind: str, encoding: str = "") -> Decoded | None:
    """What came of it, if it was not refused; and all of it can be written down."""
    try:
        got = read(signal, body, kind, encoding)
    except InvalidInput:
        return None
    assert (got.rejected == 0) == (got.message == "")
    for record in got.records:
        repr(record).encode()
    return got


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SIGNALS), KINDS, ENCODINGS, st.binary(max_size=200))
def test_random_bytes(signal: wire.Signal, kind: str, encoding: str, body: bytes) -> None:
    tried(signal, body, kind, encoding)
    packed = {"": body, "gzip": gzip.compress(body), "deflate": zlib.compress(body)}[encoding]
    tried(signal, packed, kind, encoding)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SIGNALS), st.sampled_from(SIGNALS), KINDS, st.data())
def test_bytes_that_were_changed_or_cut(
    made: wire.Signal, read_as: wire.Signal, kind: str, data: st.DataObject
) -> None:
    body = request(made, RECORDS[made], a=1)
    raw = bytearray(as_json(body) if kind == wire.JSON else as_protobuf(made, body))
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=4)):
        raw[place] = data.draw(st.integers(0, 255))
    tried(read_as, bytes(raw[: data.draw(st.integers(0, len(raw)))]), kind)
    tried(read_as, bytes(raw), kind)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SIGNALS), st.data(), JUNK)
def test_wrong_types_in_any_place_of_json_cost_at_most_what_is_below(
    signal: wire.Signal, data: st.DataObject, junk: Any
) -> None:
    body = copy.deepcopy(request(signal, [*RECORDS[signal], *RECORDS[signal]], a=1))
    holder, key = data.draw(st.sampled_from(list(_places(body))))
    holder[key] = junk
    tried(signal, json.dumps(body).encode(), wire.JSON)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SIGNALS), JUNK)
def test_a_record_of_junk_costs_only_itself(signal: wire.Signal, junk: Any) -> None:
    good = tried(signal, as_json(request(signal, RECORDS[signal])), wire.JSON)
    got = tried(signal, as_json(request(signal, [junk, *RECORDS[signal]])), wire.JSON)
    assert good is not None
    assert got is not None
    assert got.records[-len(good.records) :] == good.records


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SIGNALS), st.binary(max_size=60))
def test_a_record_of_random_bytes_costs_only_itself(signal: wire.Signal, junk: bytes) -> None:
    raw = as_protobuf(signal, request(signal, RECORDS[signal]))
    good = tried(signal, raw, wire.PROTOBUF)
    scoped = bytes([0x12, len(junk)]) + junk  # the records of a scope are its field 2, and it is that of the batch
    inner = bytes([0x12, len(scoped)]) + scoped
    got = tried(signal, bytes([0x0A, len(inner)]) + inner + raw, wire.PROTOBUF)
    assert good is not None
    assert got is not None
    assert got.records[-len(good.records) :] == good.records


def _bomb(encoding: str, size: int) -> bytes:
    """Zeros, packed: a block of them is packed once and told again and again."""
    block, times = b"\0" * (1 << 20), size >> 20
    engine = zlib.compressobj(9, wbits=-15)
    raw = (engine.compress(block) + engine.flush(zlib.Z_FULL_FLUSH)) * times + zlib.compressobj(wbits=-15).flush()
    match encoding:
        case "gzip":
            told = functools.reduce(lambda sum_, _: zlib.crc32(block, sum_), range(times), 0).to_bytes(4, "little")
            return zlib.compressobj(9, wbits=31).flush()[:10] + raw + told + size.to_bytes(4, "little")
        case "deflate":
            told = functools.reduce(lambda sum_, _: zlib.adler32(block, sum_), range(times), 1).to_bytes(4, "big")
            return zlib.compressobj(9).flush()[:2] + raw + told
    return raw


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw"])
@pytest.mark.parametrize("kind", [wire.JSON, wire.PROTOBUF])
def test_a_bomb_does_not_grow(encoding: str, kind: str) -> None:
    body = _bomb(encoding, 64 << 20)
    assert len(body) < MOST
    with used() as memory, pytest.raises(TooLarge):
        read("traces", body, kind, "deflate" if encoding == "raw" else encoding)
    assert memory.peak < 4 * MOST


def test_many_small_bombs_are_one() -> None:
    body = gzip.compress(b"\0" * 100_000) * 900
    with used() as memory, pytest.raises(TooLarge):
        read("traces", body, encoding="gzip")
    assert memory.peak < 4 * MOST


SMALL = 1 << 17
LITTLE: dict[str, tuple[str, bytes]] = {
    "batches": (wire.PROTOBUF, b"\x0a\x00" * (SMALL // 2)),
    "records": (wire.PROTOBUF, b"\x0a\xff\xff\x0f\x12\xfb\xff\x0f" + b"\x12\x00" * (SMALL // 2 - 2)),
    "null batches": (wire.JSON, b'{"resourceSpans":[' + b"0," * (SMALL // 2 - 20) + b"0]}"),
    "null records": (
        wire.JSON,
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"0," * (SMALL // 2 - 40) + b"0]}]}]}",
    ),
    "brackets": (wire.JSON, b"[" * SMALL),
    "NaN": (wire.JSON, b'{"resourceSpans":[' + b"NaN," * (SMALL // 4 - 20) + b"NaN]}"),
}


@pytest.mark.parametrize("name", LITTLE)
def test_memory_follows_what_is_allowed_and_not_what_is_claimed(name: str) -> None:
    kind, body = LITTLE[name]
    with used() as memory, contextlib.suppress(InvalidInput):
        read("traces", body, kind)
    assert memory.peak < 100 * SMALL


LIMITED = """
import contextlib, pathlib, resource, sys
from rollbook.errors import InvalidInput
from rollbook.otlp import schema, wire
schema.messages()
size = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (100 << 20), resource.RLIM_INFINITY))
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    kind, encoding = path.suffix[1:], "gzip" if path.stem == "bomb" else ""
    with contextlib.suppress(InvalidInput):
        words = {"content_type": f"application/{kind}", "content_encoding": encoding, "most": 1 << 20}
        wire.decode("traces", path.read_bytes(), **words)
print("fine")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its limit of memory")
def test_memory_of_the_whole_process_stays_within_its_limit(tmp_path: Path) -> None:
    for name, (kind, body) in LITTLE.items():
        (tmp_path / f"{name}.{kind.removeprefix('application/')}").write_bytes(body)
    (tmp_path / "bomb.json").write_bytes(_bomb("gzip", 256 << 20))
    done = subprocess.run([sys.executable, "-c", LIMITED, tmp_path], capture_output=True, encoding="utf-8", check=False)
    assert (done.stdout, done.stderr) == ("fine\n", "")


class Memory:
    peak = 0


@contextlib.contextmanager
def used() -> Iterator[Memory]:
    """The most memory that Python's allocators held at once, meanwhile."""
    memory = Memory()
    tracemalloc.start()
    try:
        yield memory
    finally:
        memory.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
