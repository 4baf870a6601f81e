"""SDKs that ask for other versions of packages than the other tests have: each apart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_llm import MARK, FakeLLM, failure

FOLDER = Path(os.environ.get("SDKS_APART", f"{sys.prefix}/sdks-apart/site-packages"))
PROGRAM = """
import asyncio, sys
from pathlib import Path
from dev_analytics.analytics import Analytics
from dev_analytics.observers import hooks

log, address, mark = sys.argv[1:]
analytics = Analytics(delivery=None, strict=True)
analytics.log_to(Path(log))
hooks.register(analytics)
SAID = [{"role": "user", "content": mark}]
CODE
analytics.pipeline.catch_up()
assert not analytics.drops.counts, analytics.drops.counts
"""
STAINLESS = """
import {package} as sdk
from {package} import {client} as Client, Async{client} as AsyncClient

options = dict(api_key=mark, base_url=address, max_retries=0)
asked = dict(model="{model}", messages=SAID)

async def asynchronously():
    client = AsyncClient(**options)
    answer = await client.chat.completions.create(**asked)
    stream = await client.chat.completions.create(
        **asked, stream=True, extra_body=dict(stream_options=dict(include_usage=True))
    )
    return [type(answer), type(stream), [type(chunk) async for chunk in stream]]

def everything():
    client = Client(**options)
    answer = client.chat.completions.create(**asked)
    assert mark in repr(answer)
    stream = client.chat.completions.create(
        **asked, stream=True, extra_body=dict(stream_options=dict(include_usage=True))
    )
    told = [type(answer), type(stream), list(map(type, stream))]
    told.append(type({fourth}))
    told.append(asyncio.run(asynchronously()))
    try:
        client.chat.completions.create(**{{**asked, "model": "fail"}})
    except sdk.RateLimitError as error:
        told.append(type(error))
    return told

hooked = everything()
hooks.unregister()
assert hooked == everything()
"""
SERVED = """
import logging
from concurrent import futures
import grpc
import xai_sdk
from xai_sdk.chat import user
from xai_sdk.proto import chat_pb2, chat_pb2_grpc, deferred_pb2, usage_pb2

usage = usage_pb2.SamplingUsage(
    prompt_tokens=120, completion_tokens=10, reasoning_tokens=20, cached_prompt_text_tokens=100
)

class Servicer(chat_pb2_grpc.ChatServicer):
    def GetCompletion(self, request, context):
        if request.model == "fail":
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, mark)
        answer = chat_pb2.GetChatCompletionResponse(id="1", model=request.model, usage=usage)
        message = answer.outputs.add().message
        message.role, message.content = chat_pb2.ROLE_ASSISTANT, mark
        return answer

    def GetCompletionChunk(self, request, context):
        for number in range(3):
            counted = dict(usage=usage) if number == 2 else {}
            chunk = chat_pb2.GetChatCompletionChunk(id="1", model=request.model, **counted)
            delta = chunk.outputs.add().delta
            delta.role, delta.content = chat_pb2.ROLE_ASSISTANT, mark
            yield chunk

    def StartDeferredCompletion(self, request, context):
        self.deferred = self.GetCompletion(request, context)
        return deferred_pb2.StartDeferredResponse(request_id="1")

    def GetDeferredCompletion(self, request, context):
        done = deferred_pb2.DeferredStatus.DONE
        return chat_pb2.GetDeferredCompletionResponse(status=done, response=self.deferred)

    def CompactContext(self, request, context):
        if request.model == "fail":
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, mark)
        return chat_pb2.CompactContextResponse(id="1", encrypted_content=mark, usage=usage)

server = grpc.server(futures.ThreadPoolExecutor(4))
chat_pb2_grpc.add_ChatServicer_to_server(Servicer(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
options = dict(api_key=mark, api_host=f"127.0.0.1:{port}", use_insecure_channel=True)
compacted = dict(model="grok-4-0709", messages=[user(mark)])
failing = dict(model="fail", messages=[user(mark)])

printed = []

class Printed(logging.Handler):
    def emit(self, record):
        printed.append(self.format(record).count("\\n"))

logging.getLogger("opentelemetry.context").addHandler(Printed())

async def asynchronously():
    client = xai_sdk.AsyncClient(**options)
    answer = await client.chat.create(model="grok-4-0709", messages=[user(mark)]).sample()
    stream = client.chat.create(model="grok-4-0709", messages=[user(mark)]).stream()
    told = [type(answer), type(stream), [type(pair) async for pair in stream]]
    # Left, a stream of the SDK ends in a context of its own, which OpenTelemetry reports.
    printed.clear()
    async for pair in client.chat.create(model="grok-4-0709", messages=[user(mark)]).stream():
        break
    while not printed:
        await asyncio.sleep(0)
    told.append(printed.copy())
    stream = client.chat.create(model="grok-4-0709", messages=[user(mark)]).stream()
    await anext(stream)
    await stream.aclose()
    assert len(printed) == 1
    told.append(type(await client.chat.compact_context(**compacted)))
    try:
        await client.chat.compact_context(**failing)
    except grpc.RpcError as error:
        told.append(type(error))
    return told

def everything():
    client = xai_sdk.Client(**options)
    answer = client.chat.create(model="grok-4-0709", messages=[user(mark)]).sample()
    assert answer.content == mark
    stream = client.chat.create(model="grok-4-0709", messages=[user(mark)]).stream()
    told = [type(answer), type(stream), list(map(type, stream))]
    chat = client.chat.create(model="grok-4-0709", messages=[user(mark)])
    told.append(list(map(type, chat.sample_batch(1))))
    told.extend([type(chat.defer()), type(chat.compact())])
    told.append(type(client.chat.compact_context(**compacted)))
    try:
        # What is not sent is no call.
        for refused in (chat.sample, chat.sample_batch, chat.parse):
            try:
                refused("1", "2")
            except TypeError as error:
                told.append(type(error))
        try:
            chat.sample_batch(mark)
        except TypeError as error:
            told.append(type(error))
        client.chat.compact_context(**{**compacted, "model": 5})
    except TypeError as error:
        told.append(type(error))
    # By position, as its parameters may be given, too.
    assert client.chat.compact_context(*compacted.values()).encrypted_content == mark
    told.append(asyncio.run(asynchronously()))
    chat = client.chat.create(**failing)
    for ask in (lambda: client.chat.compact_context(**failing), chat.sample):
        try:
            ask()
        except grpc.RpcError as error:
            told.append(type(error))
    assert len(told) == 15
    return told

hooked = everything()
hooks.unregister()
assert hooked == everything()
server.stop(None)
"""
LANGCHAIN = """
import httpx
import tenacity
from langchain_mistralai import ChatMistralAI, MistralAIEmbeddings
from langchain_mistralai.embeddings import MAX_TOKENS
from tokenizers import Tokenizer, models, pre_tokenizers

tokenizer = Tokenizer(models.WordLevel({"unknown": 0}, "unknown"))
tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
# Each is a batch, since a word is a token.
TEXTS = [f"{mark} " * (MAX_TOKENS // 2 + 1)] * 2

class Own(MistralAIEmbeddings):
    def twice(self, number):
        return self._retry(lambda one: 2 * one)(number)

def embeddings(model="mistral-embed", **more):
    address_of = f"{address}/mistral/v1"
    asked = dict(model=model, api_key=mark, endpoint=address_of, tokenizer=tokenizer, wait_time=0)
    return Own(**{**asked, **more})

def failing():
    try:
        embeddings("fail", max_retries=2).embed_documents(TEXTS)
    except tenacity.RetryError as error:
        return type(error)

async def failing_async():
    try:
        await embeddings("fail", wait_time=None).aembed_query(mark)
    except httpx.HTTPStatusError as error:
        return type(error)

def chat(model="mistral-large-2411", **more):
    address_of = f"{address}/mistral/v1"
    return ChatMistralAI(model=model, api_key=mark, base_url=address_of, max_retries=1, **more)

async def asynchronously():
    one = chat()
    answer = await one.ainvoke(mark)
    told = [type(answer), [type(chunk) async for chunk in one.astream(mark)]]
    told.append(await embeddings().aembed_documents(TEXTS))
    told.append(await failing_async())
    return told

def everything():
    one = chat()
    answer = one.invoke(mark)
    assert answer.content == mark
    told = [type(answer), list(map(type, one.stream(mark)))]
    told.append(chat(streaming=True).invoke(mark).content)
    told.extend([embeddings().embed_documents(TEXTS), embeddings().twice(2), failing()])
    assert told[-3:-1] == [[[0.1, 0.2]] * 2, 4]
    told.append(asyncio.run(asynchronously()))
    try:
        chat("fail").invoke(mark)
    except httpx.HTTPStatusError as error:
        told.append(type(error))
    return told

hooked = everything()
hooks.unregister()
assert hooked == everything()
"""
RECORDED = {
    "together": STAINLESS.format(
        package="together",
        client="Together",
        model="Qwen/Qwen3-14B",
        fourth='client.embeddings.create(model="Qwen/Qwen3-14B", input=mark)',
    ),
    "fireworks": STAINLESS.format(
        package="fireworks",
        client="Fireworks",
        model="accounts/fireworks/models/deepseek-v3",
        fourth="client.messages.create(**asked, max_tokens=5)",
    ),
    "xai-sdk": SERVED,
    "langchain-mistralai": LANGCHAIN,
}
MODELS = {
    "together": {"Qwen/Qwen3-14B"},
    "fireworks": {"deepseek-v3"},
    "xai-sdk": {"grok-4-0709"},
    "langchain-mistralai": {"mistral-large", "mistral-embed"},
}
FURTHER: dict[str, list[tuple[Any, ...]]] = {
    "together": [("embeddings", False, False, 9)],
    "fireworks": [("chat", False, False, 335)],
    "xai-sdk": [("chat", False, False, 120)] * 5,
    "langchain-mistralai": [
        ("chat", True, False, 120),
        *[("embeddings", False, False, None)] * 2,
        # A request that is made again is one more.
        *[("embeddings", False, True, None)] * 2,
    ],
}
LATER: dict[str, list[tuple[Any, ...]]] = {
    "xai-sdk": [
        *[("chat", True, False, None)] * 2,
        ("chat", False, False, 120),
        *[("chat", False, True, None)] * 2,
    ],
    "langchain-mistralai": [
        *[("embeddings", False, False, None)] * 2,
        ("embeddings", False, True, None),
    ],
}
ERRORS = {
    "together": {"together.RateLimitError"},
    "fireworks": {"fireworks.RateLimitError"},
    # Its users get the errors of what carries its requests.
    "xai-sdk": {"grpc.RpcError", "grpc.aio._call.AioRpcError"},
    "langchain-mistralai": {"httpx.HTTPStatusError"},
}


def record(server: FakeLLM, log: Any, code: str) -> list[dict[str, Any]]:
    assert FOLDER.is_dir(), "the SDKs are missing: run make .venv/sdks-apart.stamp"
    done = subprocess.run(
        [
            *(sys.executable, "-c", PROGRAM.replace("CODE", code)),
            *(str(log.path), server.address, MARK),
        ],
        env={**os.environ, "PYTHONPATH": str(FOLDER)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert MARK.lower().encode() not in log.path.read_bytes().lower()
    return list(log.of("$ai_generation", "$ai_embedding"))


@pytest.mark.parametrize("name", RECORDED)
def test_each_request_is_one_record_and_nothing_is_changed(
    server: FakeLLM, log: Any, name: str
) -> None:
    answer = server.answer

    def failing(path: str, body: bytes) -> Any:
        return failure(429) if b'"fail"' in body else answer(path, body)

    server.answer = failing  # type: ignore[method-assign]
    calls = record(server, log, RECORDED[name])
    told = [
        (call["operation"], call["stream"], call["$ai_is_error"], call.get("$ai_input_tokens"))
        for call in calls
    ]
    assert told == [
        ("chat", False, False, 120),
        ("chat", True, False, 120),
        *FURTHER[name],
        ("chat", False, False, 120),
        ("chat", True, False, 120),
        *LATER.get(name, []),
        ("chat", False, True, None),
    ]
    assert {call["sdk"] for call in calls} == {name}
    assert {call["$ai_model"] for call in calls} == {*MODELS[name], "other"}
    assert {call["$ai_output_tokens"] for call in calls if "$ai_output_tokens" in call} == {30}
    assert {call["$ai_error"] for call in calls if call["$ai_is_error"]} == ERRORS[name]
    half = len(server.received) // 2
    bodies = [(request.path, request.body) for request in server.received]
    assert bodies[:half] == bodies[half:]
    if name != "xai-sdk":
        assert {call["$ai_http_status"] for call in calls if call["$ai_is_error"]} == {429}
        assert half == len(calls)
