"""A model that knows one sentence, behind a server on this machine: the tour asks it.

It answers as OpenAI and Ollama document it, and says how many tokens that took, one for each word.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = "About two days after the new moon, so on Thursday."


def serve() -> str:
    """Start the server, which ends with this process, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer whoever asks, in the words of the API that is asked."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        counts = words(*(message["content"] for message in request["messages"])), words(WORDS)
        answers = {"/v1/chat/completions": openai, "/api/chat": ollama}
        answer = answers[self.path](request, *counts)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def openai(request: dict[str, Any], read: int, written: int) -> bytes:
    """Answer as OpenAI does, in one piece."""
    message = {"role": "assistant", "content": WORDS}
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    answer = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": request["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
    }
    return json.dumps(answer).encode()


def ollama(request: dict[str, Any], read: int, written: int) -> bytes:
    """Answer as Ollama does, word by word."""
    chunks: list[dict[str, Any]] = [
        {"message": {"role": "assistant", "content": f"{word} "}, "done": False}
        for word in WORDS.split()
    ]
    end = {"message": {"role": "assistant", "content": ""}, "done": True}
    chunks.append({**end, "prompt_eval_count": read, "eval_count": written})
    return b"".join(
        json.dumps({"model": request["model"], **chunk}).encode() + b"\n" for chunk in chunks
    )


def words(*texts: str) -> int:
    """Count the words."""
    return sum(len(text.split()) for text in texts)
