"""OTLP's messages, as far as they are read here, and so that one bad record costs nothing but itself.

The protobuf library refuses a whole request for one string that is not UTF-8 and for one value that is nested a hundred
deep. Many senders cut long texts at a number of bytes, in the middle of a character. So these messages are the
published ones with other words for the same bytes: text is ``bytes``, decoded here with a mark for what is not UTF-8;
and what stands for itself (a record, an attribute, a nested value) is ``bytes`` too, and parsed when its turn comes.
A request is parsed down to its records at once, and only where something is wrong above them part by part. Fields that
are not read are not listed.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any, Final

from rollbook.errors import NotSupported

# Message -> field -> (number, type); "+" is repeated, "|" an alternative of the message's one value.
_MESSAGES: Final[dict[str, dict[str, tuple[int, str]]]] = {
    "Request": {"batches": (1, "Batch+")},
    "Batch": {"resource": (1, "bytes"), "scopes": (2, "Scoped+")},
    "Batches": {"batches": (1, "bytes+")},
    "Scopes": {"resource": (1, "bytes"), "scopes": (2, "bytes+")},
    "Resource": {"attributes": (1, "bytes+")},
    "Scoped": {"scope": (1, "bytes"), "records": (2, "bytes+")},
    "Scope": {"name": (1, "bytes"), "version": (2, "bytes")},
    "Attribute": {"key": (1, "bytes"), "value": (2, "Value")},
    "Value": {
        "string": (1, "bytes|"),
        "bool": (2, "bool|"),
        "int": (3, "int64|"),
        "double": (4, "double|"),
        "array": (5, "bytes|"),
        "pairs": (6, "bytes|"),
        "bytes": (7, "bytes|"),
    },
    "Values": {"values": (1, "bytes+")},
    "Span": {
        "trace_id": (1, "bytes"),
        "span_id": (2, "bytes"),
        "parent_id": (4, "bytes"),
        "name": (5, "bytes"),
        "start": (7, "fixed64"),
        "end": (8, "fixed64"),
        "attributes": (9, "bytes+"),
        "events": (11, "bytes+"),
        "status": (15, "bytes"),
    },
    "Event": {"time": (1, "fixed64"), "name": (2, "bytes"), "attributes": (3, "bytes+")},
    "Status": {"message": (2, "bytes"), "code": (3, "int32")},
    "Log": {
        "time": (1, "fixed64"),
        "severity": (2, "int32"),
        "body": (5, "bytes"),
        "attributes": (6, "bytes+"),
        "trace_id": (9, "bytes"),
        "span_id": (10, "bytes"),
        "seen": (11, "fixed64"),
        "event": (12, "bytes"),
    },
    "Metric": {
        "name": (1, "bytes"),
        "unit": (3, "bytes"),
        "gauge": (5, "bytes|"),
        "sum": (7, "bytes|"),
        "histogram": (9, "bytes|"),
        "exponential": (10, "bytes|"),
        "summary": (11, "bytes|"),
    },
    "Series": {"points": (1, "bytes+"), "temporality": (2, "int32"), "monotonic": (3, "bool")},
    "Number": {
        "start": (2, "fixed64"),
        "time": (3, "fixed64"),
        "as_double": (4, "double|"),
        "as_int": (6, "sfixed64|"),
        "attributes": (7, "bytes+"),
        "flags": (8, "uint32"),
    },
    "Histogram": {
        "start": (2, "fixed64"),
        "time": (3, "fixed64"),
        "count": (4, "fixed64"),
        "sum": (5, "double"),
        "attributes": (9, "bytes+"),
        "flags": (10, "uint32"),
    },
    "Exponential": {
        "attributes": (1, "bytes+"),
        "start": (2, "fixed64"),
        "time": (3, "fixed64"),
        "count": (4, "fixed64"),
        "sum": (5, "double"),
        "flags": (10, "uint32"),
    },
    "Summary": {
        "start": (2, "fixed64"),
        "time": (3, "fixed64"),
        "count": (4, "fixed64"),
        "sum": (5, "double"),
        "attributes": (7, "bytes+"),
        "flags": (8, "uint32"),
    },
    "Response": {"partial": (1, "Partial")},
    "Partial": {"rejected": (1, "int64"), "message": (2, "bytes")},
}


@functools.cache
def messages() -> Any:
    """The classes of the messages, by name, with ``DecodeError`` beside them.

    Raises:
        NotSupported: protobuf is not installed; the message says how to install it.
    """
    try:
        # Only a server that is sent protobuf pays for loading it.
        from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise NotSupported(
            "telemetry in protobuf needs protobuf, which is not installed; "
            "install it with: pip install 'rollbook[server]', or have the sender use http/json"
        ) from error
    # proto2 knows of every field whether it was there.
    file = descriptor_pb2.FileDescriptorProto(name="rollbook/otlp.proto", package="rollbook.otlp", syntax="proto2")
    for name, fields in _MESSAGES.items():
        _describe(file.message_type.add(name=name), fields, descriptor_pb2.FieldDescriptorProto)
    pool = descriptor_pool.DescriptorPool()  # our own, so that nobody else's messages get in the way
    pool.Add(file)
    found = {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"rollbook.otlp.{name}")) for name in _MESSAGES
    }
    return SimpleNamespace(**found, DecodeError=message.DecodeError)


def _describe(message: Any, fields: dict[str, tuple[int, str]], kinds: Any) -> None:
    for name, (number, word) in fields.items():
        kind = word.rstrip("+|")
        label = kinds.LABEL_REPEATED if word.endswith("+") else kinds.LABEL_OPTIONAL
        field = message.field.add(name=name, number=number, label=label)
        if kind in _MESSAGES:
            field.type, field.type_name = kinds.TYPE_MESSAGE, f".rollbook.otlp.{kind}"
        else:
            field.type = getattr(kinds, f"TYPE_{kind.upper()}")
        if word.endswith("|"):
            field.oneof_index = 0
            if not message.oneof_decl:
                message.oneof_decl.add(name="one")
