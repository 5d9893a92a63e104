"""A model provider and a receiver of telemetry, on private ports of this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec import Struct

from rollbook.otlp import wire

CHAT = {
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "total_tokens": 1100,
    "prompt_tokens_details": {"cached_tokens": 400},
    "completion_tokens_details": {"reasoning_tokens": 60},
}
RESPONSE = {
    "input_tokens": 1000,
    "output_tokens": 100,
    "total_tokens": 1100,
    "input_tokens_details": {"cached_tokens": 400},
    "output_tokens_details": {"reasoning_tokens": 60},
}
ARGUMENTS = '{"city": "Oslo"}'
ANSWER = "It rains in Oslo."


class Posted(Struct, kw_only=True):
    """A body that the receiver was sent."""

    path: str
    content_type: str
    content_encoding: str
    body: bytes


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def reply(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Provider(Quiet):
    """As much of OpenAI's API as the emitters use; every request has a name of its own and the same usage."""

    server: Counting

    def do_POST(self) -> None:
        asked = json.loads(self.body())
        number = self.server.next()
        if asked["model"] == "no-such-model":
            self.reply(404, json.dumps({"error": {"message": "no such model", "code": "model_not_found"}}).encode())
        elif self.path.endswith("/embeddings"):
            self.reply(200, json.dumps(embedding(asked)).encode())
        elif self.path.endswith("/responses"):
            self.reply(200, json.dumps(response(asked, number)).encode())
        elif asked.get("stream"):
            self.reply(200, streamed(asked, number), "text/event-stream")
        else:
            self.reply(200, json.dumps(completion(asked, number)).encode())


def completion(asked: dict[str, Any], number: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": ANSWER}
    if wants_tool(asked, asked["messages"]):
        function = {"name": asked["tools"][0]["function"]["name"], "arguments": ARGUMENTS}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": f"call_{number}", "type": "function", "function": function}],
        }
    reason = "tool_calls" if message["content"] is None else "stop"
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    return {**head(asked, number), "object": "chat.completion", "choices": [choice], "usage": CHAT}


def streamed(asked: dict[str, Any], number: int) -> bytes:
    chunk = {**head(asked, number), "object": "chat.completion.chunk"}
    parts: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ANSWER}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": CHAT},
    ]
    lines = [f"data: {json.dumps({**chunk, **part})}\n\n" for part in parts]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


def head(asked: dict[str, Any], number: int) -> dict[str, Any]:
    return {"id": f"chatcmpl-{number}", "created": 1_760_000_000 + number, "model": f"{asked['model']}-2025-08-07"}


def response(asked: dict[str, Any], number: int) -> dict[str, Any]:
    said = asked["input"] if isinstance(asked["input"], list) else []
    output: list[dict[str, Any]] = [
        {
            "type": "message",
            "id": f"msg_{number}",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": ANSWER, "annotations": []}],
        }
    ]
    if wants_tool(asked, said):
        call = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "status": "completed"}
        output = [{**call, "name": asked["tools"][0]["name"], "arguments": ARGUMENTS}]
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_760_000_000 + number,
        "status": "completed",
        "model": f"{asked['model']}-2025-08-07",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": asked.get("tools", []),
        "usage": RESPONSE,
    }


def embedding(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "object": "list",
        "model": asked["model"],
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


def wants_tool(asked: dict[str, Any], said: list[dict[str, Any]]) -> bool:
    """Whether this is the first request of a run: the tool has not answered yet."""
    answered = any(each.get("role") == "tool" or each.get("type") == "function_call_output" for each in said)
    return bool(asked.get("tools")) and not answered


class Receiver(Quiet):
    server: Recording

    def do_POST(self) -> None:
        posted = Posted(
            path=self.path,
            content_type=self.headers.get("content-type", ""),
            content_encoding=self.headers.get("content-encoding", ""),
            body=self.body(),
        )
        self.server.posted.append(posted)
        body, kind = wire.answered("traces", json=posted.content_type == wire.JSON, rejected=0, message="")
        self.reply(200, body, kind)


class Counting(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Provider)
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        with self._lock:
            self._last += 1
            return self._last


class Recording(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.posted: list[Posted] = []


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    """The server's address, while it runs."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
