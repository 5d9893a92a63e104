"""OTLP bodies as wholes: what is refused and with which words, what is inflated, and how it is answered."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from pathlib import Path
from typing import Any, get_args

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otlp.bodies import (
    NANOS,
    as_json,
    as_protobuf,
    attributes,
    read,
    request,
    span,
)
from rollbook.errors import InvalidInput, NotSupported, TooLarge, Unsupported
from rollbook.otlp import schema, wire

DATA = Path(__file__).parents[1] / "data" / "otlp"


@pytest.mark.parametrize("kind", [wire.JSON, wire.PROTOBUF])
def test_a_body_of_bad_records_without_end_is_given_up(kind: str) -> None:
    body = request("traces", [span(), *[{} for _ in range(10_001)]])
    with pytest.raises(InvalidInput, match="10000 of its records"):
        read("traces", as_json(body) if kind == wire.JSON else as_protobuf("traces", body), kind)


@pytest.mark.parametrize(
    ("posted", "path"), [(a, b) for a in get_args(wire.Signal) for b in get_args(wire.Signal) if a != b]
)
@pytest.mark.parametrize("kind", [wire.JSON, wire.PROTOBUF])
def test_a_body_on_the_wrong_path_is_told_the_right_one(posted: wire.Signal, path: wire.Signal, kind: str) -> None:
    records: dict[str, list[dict[str, Any]]] = {
        "traces": [span(attributes=attributes({"gen_ai.usage.input_tokens": 5}), status={"code": 2})],
        "logs": [{"timeUnixNano": str(NANOS), "body": {"stringValue": "hi"}, "attributes": attributes({"a": 1})}],
        "metrics": [
            {"name": "claude_code.token.usage", "sum": {"dataPoints": [{"timeUnixNano": str(NANOS), "asInt": "3"}]}}
        ],
    }
    body = request(posted, records[posted])
    with pytest.raises(InvalidInput, match=f"/v1/{posted}"):
        read(path, as_json(body) if kind == wire.JSON else as_protobuf(posted, body), kind)


@pytest.mark.parametrize("path", sorted(DATA.glob("*.pb.gz")), ids=lambda path: path.name)
def test_what_real_senders_post_is_read_whole_and_on_its_path_only(path: Path) -> None:
    signal = path.name.split(".")[2]
    for other in get_args(wire.Signal):
        if other == signal:
            got = read(other, path.read_bytes(), wire.PROTOBUF, "gzip")
            assert got.records
            assert got.rejected == 0
        else:
            with pytest.raises(InvalidInput, match=f"/v1/{signal}"):
                read(other, path.read_bytes(), wire.PROTOBUF, "gzip")


def test_a_batch_of_any_size_is_protobuf_though_its_first_bytes_look_like_something_else() -> None:
    bare = len(as_protobuf("traces", request("traces", [span(name="")])))
    for more in range(3, 100):
        body = as_protobuf("traces", request("traces", [span(name="x" * more)]))
        assert len(read("traces", body, wire.PROTOBUF).records) == 1
    assert bare < ord("{") < bare + 100 - 3  # so the length, the second byte, was a brace once


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"hello", wire.JSON, "not an OTLP request in JSON"),
        (b"[]", wire.JSON, "not an OTLP request in JSON"),
        (b'{"resourceSpans": 5}', wire.JSON, "not an OTLP request in JSON"),
        (b'{"resourceSpans": [', wire.JSON, "not an OTLP request in JSON"),
        (b"[" * 100_000, wire.JSON, "not an OTLP request in JSON"),
        (b'{"spans": []}', wire.JSON, "resourceSpans"),
        (b"hello", wire.PROTOBUF, "not an OTLP request of traces in protobuf"),
        (b"\x10\x01", wire.PROTOBUF, "nothing of an OTLP request"),
        (b'{"resourceSpans": []}', wire.PROTOBUF, "application/json"),
    ],
)
def test_a_body_that_is_no_request_is_refused_with_what_is_wrong(body: bytes, kind: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        read("traces", body, kind)


@pytest.mark.parametrize(("body", "kind"), [(b"", wire.PROTOBUF), (b"", wire.JSON), (b"{}", wire.JSON)])
def test_a_request_of_nothing_is_one(body: bytes, kind: str) -> None:
    got = read("traces", body, kind)
    assert (got.records, got.rejected) == ([], 0)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/grpc", "application/x-www-form-urlencoded"])
def test_another_media_type_is_named(kind: str) -> None:
    with pytest.raises(Unsupported, match="application/json"):
        read("traces", b"{}", kind)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZIP ", "deflate", "raw", "identity", ""])
def test_compressed_bodies_are_read(encoding: str) -> None:
    plain = as_json(request("traces", [span()]))
    raw = zlib.compressobj(wbits=-15)
    ways = {
        "gzip": gzip.compress(plain),
        "x-gzip": gzip.compress(plain[:10]) + gzip.compress(b"") + gzip.compress(plain[10:]) + b"\0" * 100,
        " GZIP ": gzip.compress(plain),
        "deflate": zlib.compress(plain),
        "raw": raw.compress(plain) + raw.flush(),
    }
    word = "deflate" if encoding == "raw" else encoding
    assert len(read("traces", ways.get(encoding, plain), encoding=word).records) == 1


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
def test_another_encoding_is_named(encoding: str) -> None:
    with pytest.raises(Unsupported, match="send gzip"):
        read("traces", b"{}", encoding=encoding)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"{}", "gzip"),
        (b"{}", "deflate"),
        (gzip.compress(b"{}")[:-3], "gzip"),
        (zlib.compress(b"{}")[:-3], "deflate"),
        (gzip.compress(b"{}") + b"rest", "gzip"),
        (zlib.compress(b"{}") * 2, "deflate"),
        (gzip.compress(b"") * 1_001, "gzip"),
    ],
    # Named, because gzip writes the time into what it packs, and every worker must collect the same names.
    ids=["plain", "plain-deflate", "cut", "cut-deflate", "more", "twice-deflate", "many"],
)
def test_a_body_that_is_not_compressed_as_it_says_is_refused(body: bytes, encoding: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read("traces", body, encoding=encoding)
    assert type(caught.value) is InvalidInput


def test_a_body_may_be_as_long_as_allowed_and_no_longer() -> None:
    body = as_json(request("traces", [span()]))
    for packed, encoding in ((body, ""), (gzip.compress(body), "gzip"), (zlib.compress(body), "deflate")):
        assert len(read("traces", packed, encoding=encoding, most=len(body)).records) == 1
        with pytest.raises(TooLarge, match="smaller batches"):
            read("traces", packed, encoding=encoding, most=len(body) - 1)


def test_an_answer_is_in_the_encoding_of_the_request() -> None:
    responses: dict[wire.Signal, tuple[Any, str, str]] = {
        "traces": (ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
        "logs": (ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
        "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"),
    }
    for signal, (shape, field, key) in responses.items():
        body, kind = wire.answered(signal, json=True, rejected=3, message="why")
        assert kind == "application/json"
        assert json.loads(body) == {"partialSuccess": {key: "3", "errorMessage": "why"}}
        body, kind = wire.answered(signal, json=False, rejected=3, message="why")
        assert kind == "application/x-protobuf"
        partial = shape.FromString(body).partial_success
        assert (getattr(partial, field), partial.error_message) == (3, "why")
        assert wire.answered(signal, json=True, rejected=0, message="")[0] == b"{}"
        assert wire.answered(signal, json=False, rejected=0, message="")[0] == b""


def test_without_protobuf_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    schema.messages.cache_clear()
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    with pytest.raises(NotSupported, match=r"pip install 'rollbook\[server\]'"):
        read("traces", b"", wire.PROTOBUF)
    assert len(read("traces", as_json(request("traces", [span()]))).records) == 1
    schema.messages.cache_clear()
