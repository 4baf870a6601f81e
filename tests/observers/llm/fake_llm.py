"""A server that answers as providers of language models document it, and keeps what it was sent.

An SDK is added by adding its paths to `ROUTES`.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

MARK = "Xanadu7"
"""Stands in all that is private; it must be in no byte that is kept."""

Json = dict[str, Any]


class Received(NamedTuple):
    """A request as it came over the wire."""

    path: str
    headers: list[tuple[str, str]]
    body: bytes


class Reply(NamedTuple):
    """What is sent back.

    `cut` is after how many bytes the connection breaks.
    """

    body: bytes
    status: int = 200
    kind: str = "application/json"
    cut: int | None = None


def whole(answer: Json, status: int = 200) -> Reply:
    return Reply(json.dumps(answer).encode(), status)


def server_sent(events: list[Json], *, named: bool = False, done: bool = True) -> Reply:
    """Give server-sent events; `named` puts each one's type before it."""
    lines = []
    for event in events:
        if named:
            lines.append(f"event: {event['type']}\n")
        lines.append(f"data: {json.dumps(event)}\n\n")
    if done:
        lines.append("data: [DONE]\n\n")
    return Reply("".join(lines).encode(), kind="text/event-stream")


def failure(status: int) -> Reply:
    return whole({"error": {"message": f"no {MARK}", "type": "of a test", "code": None}}, status)


def model_of(request: Json) -> str:
    """Give the name that the provider uses: a dated one, and for a deployment the real one."""
    asked = str(request.get("model"))
    return "gpt-4o-2024-08-06" if asked == "gpt-4o" or MARK in asked else asked


CHAT_USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 30,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 100},
    "completion_tokens_details": {"reasoning_tokens": 20},
}


def openai_chat(request: Json) -> Reply:
    common = {"id": "chatcmpl-1", "created": 1, "model": model_of(request)}
    if not request.get("stream"):
        text = json.dumps({"answer": MARK})
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text},
        }
        return whole(
            {**common, "object": "chat.completion", "choices": [choice], "usage": CHAT_USAGE}
        )
    common["object"] = "chat.completion.chunk"
    deltas: list[Json] = [{"role": "assistant", "content": MARK}, {"content": " ..."}, {}]
    chunks = [
        {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    chunks[-1]["choices"][0]["finish_reason"] = "stop"
    if (request.get("stream_options") or {}).get("include_usage"):
        chunks.append({**common, "choices": [], "usage": CHAT_USAGE})
    return server_sent(chunks)


def openai_responses(request: Json) -> Reply:
    message = {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": MARK, "annotations": []}],
    }
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": model_of(request),
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 220,
            "output_tokens": 40,
            "total_tokens": 260,
            "input_tokens_details": {"cached_tokens": 200},
            "output_tokens_details": {"reasoning_tokens": 15},
        },
    }
    if not request.get("stream"):
        return whole(response)
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    events = [
        {"type": "response.created", "response": begun},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**message, "content": []},
        },
        {"type": "response.content_part.added", **place, "part": part},
        {"type": "response.output_text.delta", **place, "delta": MARK, "logprobs": []},
        {"type": "response.completed", "response": response},
    ]
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
    return server_sent(numbered, named=True, done=False)


def openai_completions(request: Json) -> Reply:
    common = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": model_of(request)}
    choice = {"index": 0, "text": MARK, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 7, "completion_tokens": 8, "total_tokens": 15}
    if request.get("stream"):
        return server_sent([{**common, "choices": [choice]}] * 2)
    return whole({**common, "choices": [choice], "usage": usage})


ANTHROPIC_USAGE = {
    "input_tokens": 20,
    "cache_read_input_tokens": 200,
    "cache_creation_input_tokens": 115,
    "output_tokens": 30,
    "output_tokens_details": {"thinking_tokens": 10},
}


def anthropic_messages(request: Json) -> Reply:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": str(request["model"]),
        "content": [{"type": "text", "text": MARK}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": ANTHROPIC_USAGE,
    }
    if not request.get("stream"):
        return whole(message)
    begun = {**message, "content": [], "stop_reason": None}
    begun["usage"] = {**ANTHROPIC_USAGE, "output_tokens": 1, "output_tokens_details": None}
    ended = {"output_tokens": 30, "output_tokens_details": {"thinking_tokens": 10}}
    text = {"type": "text", "text": ""}
    events = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": text},
        {"type": "ping"},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": MARK},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": ended,
        },
        {"type": "message_stop"},
    ]
    return server_sent(events, named=True, done=False)


def groq_chat(request: Json) -> Reply:
    """Give what OpenAI gives, but the usage of a stream in a place of its own."""
    if not request.get("stream"):
        return openai_chat(request)
    common = {"id": "chatcmpl-1", "created": 1, "model": request["model"]}
    common["object"] = "chat.completion.chunk"
    chunks: list[Json] = [
        {
            **common,
            "choices": [{"index": 0, "delta": {"content": MARK}, "finish_reason": None}],
            "x_groq": {"id": "req_1"},
        },
        {
            **common,
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            "x_groq": {"id": "req_1", "usage": CHAT_USAGE},
        },
    ]
    return server_sent(chunks)


def openai_embeddings(request: Json) -> Reply:
    data = [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]
    usage = {"prompt_tokens": 9, "total_tokens": 9}
    return whole({"object": "list", "data": data, "model": model_of(request), "usage": usage})


def google(request: Json) -> Reply:
    return whole(google_answer(MARK, GOOGLE_USAGE, request["model"]))


def google_stream(request: Json) -> Reply:
    parts: list[tuple[str, Json]] = [(MARK, {}), (" ...", {}), ("", GOOGLE_USAGE)]
    return server_sent([google_answer(*part, request["model"]) for part in parts], done=False)


GOOGLE_USAGE = {
    "promptTokenCount": 120,
    "candidatesTokenCount": 10,
    "thoughtsTokenCount": 20,
    "cachedContentTokenCount": 100,
    "totalTokenCount": 150,
}


def google_answer(text: str, usage: Json, model: str = "gemini-2.5-flash") -> Json:
    content = {"role": "model", "parts": [{"text": text}]}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "modelVersion": model,
        "responseId": "1",
        **({"usageMetadata": usage} if usage else {}),
    }


def mistral(request: Json) -> Reply:
    usage = {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150}
    usage["prompt_tokens_details"] = {"cached_tokens": 100}
    common = {"id": "1", "created": 1, "model": request["model"]}
    if not request.get("stream"):
        message = {"role": "assistant", "content": MARK}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
        return whole(answer)
    common["object"] = "chat.completion.chunk"
    deltas: list[Json] = [{"role": "assistant", "content": MARK}, {"content": ""}, {"content": ""}]
    chunks = [
        {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    chunks[-1]["choices"][0]["finish_reason"] = "stop"
    chunks[-1]["usage"] = usage
    return server_sent(chunks)


def cohere(request: Json) -> Reply:
    usage = {
        "billed_units": {"input_tokens": 5, "output_tokens": 6},
        "tokens": {"input_tokens": 120, "output_tokens": 30},
        "cached_tokens": 100,
    }
    text = {"type": "text", "text": MARK}
    if not request.get("stream"):
        message = {"role": "assistant", "content": [text]}
        return whole({"id": "1", "finish_reason": "COMPLETE", "message": message, "usage": usage})
    begun = {"message": {"role": "assistant", "content": []}}
    ended = {"finish_reason": "COMPLETE", "usage": usage}
    return server_sent(
        [
            {"id": "1", "type": "message-start", "delta": begun},
            {"type": "content-delta", "index": 0, "delta": {"message": {"content": text}}},
            {"type": "message-end", "id": "1", "delta": ended},
        ],
        named=True,
    )


def ollama(request: Json) -> Reply:
    """Give a line for each chunk; a chat has a message, a text a response."""
    chat = {"message": {"role": "assistant", "content": MARK}}
    part = chat if "messages" in request else {"response": MARK}
    common = {"model": request["model"], "created_at": "2026-11-22T10:00:00Z", **part}
    ended = {**common, "done": True, "prompt_eval_count": 120, "eval_count": 30}
    if not request.get("stream"):
        return whole(ended)
    chunks = [{**common, "done": False}, {**common, "done": False}, ended]
    lines = "".join(f"{json.dumps(chunk)}\n" for chunk in chunks)
    return Reply(lines.encode(), kind="application/x-ndjson")


def ollama_embed(request: Json) -> Reply:
    return whole({"model": request["model"], "embeddings": [[0.1]], "prompt_eval_count": 9})


ROUTES: dict[str, Callable[[Json], Reply]] = {
    "/v1/messages": anthropic_messages,
    "/openai/v1/chat/completions": groq_chat,
    "/chat/completions": openai_chat,
    "/responses": openai_responses,
    "/completions": openai_completions,
    "/embeddings": openai_embeddings,
    ":generateContent": google,
    ":streamGenerateContent": google_stream,
    "/mistral/v1/chat/completions": mistral,
    "/v2/chat": cohere,
    "/api/chat": ollama,
    "/api/generate": ollama,
    "/api/embed": ollama_embed,
}
"""What answers a path that ends so; the longest one that fits."""


class FakeLLM:
    """The server.

    Attributes
    ----------
    received
        Every request, in the order in which they came.
    replies
        What the next requests are answered with, instead of what their path gives.
    failures
        What went wrong in the server itself.
    """

    def __init__(self, port: int) -> None:
        self.received: list[Received] = []
        self.replies: deque[Reply] = deque()
        self.failures: list[BaseException | None] = []
        self.address = f"http://127.0.0.1:{port}"

    def answer(self, path: str, body: bytes) -> Reply:
        if self.replies:
            return self.replies.popleft()
        path = path.partition("?")[0]
        route = next(
            (ROUTES[end] for end in sorted(ROUTES, key=len, reverse=True) if path.endswith(end)),
            None,
        )
        if route is None:
            return failure(404)
        request = json.loads(body)
        # Google has the model in the path.
        request.setdefault("model", path.rpartition("/")[2].partition(":")[0])
        return route(request)


@contextmanager
def running() -> Iterator[FakeLLM]:
    """Run the server in threads of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fake.received.append(Received(self.path, self.headers.items(), body))
            reply = fake.answer(self.path, body)
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut])
            self.close_connection = reply.cut is not None

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, request: Any, client_address: Any) -> None:
            # No traceback is printed of a client that gave up: that would parse code, and Python
            # 3.11 cannot do so in two threads at once.
            if not isinstance(sys.exception(), ConnectionError):
                fake.failures.append(sys.exception())

    server = Server(("127.0.0.1", 0), Handler)
    fake = FakeLLM(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()
    assert not fake.failures
