"""What holds for the real SDKs of Google, Mistral, Cohere and Ollama alike."""

from __future__ import annotations

import asyncio
import inspect
import operator
import os
import re
from typing import Any

import cohere
import cohere.v2.raw_client
import mistralai.client.chat
import mistralai.client.utils.eventstreaming as events
import ollama
import pytest
from fake_llm import MARK, FakeLLM, Received, Reply, failure
from further_ways import CACHED, CHAT, COUNTS, FREE, SAID, TOOL, Way
from further_ways import WAYS as FURTHER
from google import genai
from google.genai import models, types

from dev_analytics.consent.decision import Switch
from dev_analytics.observers import hooks


def make_google(server: FakeLLM, asynchronous: bool) -> Any:
    options = types.HttpOptions(base_url=f"{server.address}/{MARK}")
    client = genai.Client(api_key=MARK, http_options=options)
    return client.aio if asynchronous else client


def google(client: Any, method: str, model: str = "gemini-2.5-flash") -> Any:
    function: Any = {"name": MARK, "parameters": {"type": "OBJECT", "properties": {}}}
    config = types.GenerateContentConfig(
        system_instruction=MARK, tools=[types.Tool(function_declarations=[function])]
    )
    ask = getattr(client.models, method)
    return ask(model=model, contents=MARK, config=config)


def make_mistral(server: FakeLLM, asynchronous: bool) -> Any:
    return mistralai.client.Mistral(api_key=MARK, server_url=f"{server.address}/{MARK}/mistral")


def mistral(client: Any, method: str, model: str = "mistral-large-2411") -> Any:
    ask = getattr(client.chat, method)
    return ask(model=model, messages=SAID, tools=[TOOL])


def make_cohere(server: FakeLLM, asynchronous: bool) -> Any:
    make = cohere.AsyncClientV2 if asynchronous else cohere.ClientV2
    return make(api_key=MARK, base_url=f"{server.address}/{MARK}", max_retries=0)


def ask_cohere(client: Any, method: str, model: str = "command-r-plus") -> Any:
    return getattr(client, method)(model=model, messages=SAID, tools=[TOOL])


def make_ollama(server: FakeLLM, asynchronous: bool) -> Any:
    make = ollama.AsyncClient if asynchronous else ollama.Client
    return make(f"{server.address}/{MARK}", headers={"authorization": MARK})


def ask_ollama(client: Any, model: str = "llama3.2:1b", **more: Any) -> Any:
    return client.chat(model, SAID, tools=[TOOL], **more)


# Where `test_versions` runs these tests, another version is the one that is tested.
assert genai.__version__ == os.environ.get("EXPECTED_GOOGLE_GENAI", genai.__version__)
USED = types.GenerateContentResponseUsageMetadata
THOUGHTS = "thoughts_token_count" in USED.model_fields
"""Whether this version of google-genai hands on the count of the reasoning."""

WAYS = {
    "google-genai": Way(
        make_google,
        lambda client, _, **more: google(client, "generate_content", **more),
        lambda client, _: google(client, "generate_content_stream"),
        {
            **CHAT,
            **CACHED,
            # PostHog adds the reasoning of this model.
            "$ai_output_tokens": 10,
            "$ai_reasoning_tokens": 20,
            "$ai_provider": "google",
            "$ai_model": "gemini-2.5-flash",
            "operation": "generate_content",
        },
        {
            **dict.fromkeys((400, 401, 429), "google.genai.errors.ClientError"),
            **dict.fromkeys((500, 529), "google.genai.errors.ServerError"),
        },
        [
            (owner, name)
            for owner in (models.Models, models.AsyncModels)
            for name in ("_generate_content", "_generate_content_stream")
        ],
        ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.0-flash", "gemini-1.5-pro"),
    ),
    "mistralai": Way(
        make_mistral,
        lambda client, async_, **more: mistral(
            client, "complete_async" if async_ else "complete", **more
        ),
        lambda client, async_: mistral(client, "stream_async" if async_ else "stream"),
        {**CHAT, **CACHED, "$ai_provider": "mistral", "$ai_model": "mistral-large"},
        dict.fromkeys((400, 401, 429, 500, 529), "mistralai.client.errors.sdkerror.SDKError"),
        [
            *(
                (mistralai.client.chat.Chat, name)
                for name in ("complete", "complete_async", "stream", "stream_async")
            ),
            (events.EventStream, "close"),
            (events.EventStreamAsync, "close"),
        ],
        ("mistral-large", "mistral-medium", "mistral-small", "codestral"),
        asked_at_once=True,
    ),
    "cohere": Way(
        make_cohere,
        lambda client, _, **more: ask_cohere(client, "chat", **more),
        lambda client, _: ask_cohere(client, "chat_stream"),
        {**CHAT, **CACHED, "$ai_provider": "cohere", "$ai_model": "command-r-plus"},
        {
            400: "cohere.errors.bad_request_error.BadRequestError",
            401: "cohere.errors.unauthorized_error.UnauthorizedError",
            429: "cohere.errors.too_many_requests_error.TooManyRequestsError",
            500: "cohere.errors.internal_server_error.InternalServerError",
            529: "cohere.core.api_error.ApiError",
        },
        [
            (owner, name)
            for owner in (
                cohere.v2.raw_client.RawV2Client,
                cohere.v2.raw_client.AsyncRawV2Client,
            )
            for name in ("chat", "chat_stream")
        ],
        ("command-r-plus", "command-r", "command-a", "command-r7b"),
    ),
    "ollama": Way(
        make_ollama,
        lambda client, _, **more: ask_ollama(client, **more),
        lambda client, _: ask_ollama(client, stream=True),
        {**CHAT, **COUNTS, **FREE, "$ai_provider": "ollama", "$ai_model": "llama3.2"},
        dict.fromkeys((400, 401, 404, 429, 500, 529), "ollama._types.ResponseError"),
        [(ollama.Client, "_request"), (ollama.AsyncClient, "_request")],
        ("llama3.2", "qwen3", "gemma3", "phi4"),
    ),
    **FURTHER,
}
ANEW = {"amz-sdk-invocation-id", "x-amz-date", "x-amzn-trace-id"}
ERRORS = [(name, status) for name, way in WAYS.items() for status in way.errors]

pytestmark = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
each_sdk = pytest.mark.parametrize("name", WAYS)


def ask(name: str, server: FakeLLM, asynchronous: bool, client: Any = None, **more: Any) -> Any:
    """Ask for a whole answer, with a new client unless one is given."""
    way = WAYS[name]

    client = client or way.make(server, asynchronous)

    async def asked() -> Any:
        return await way.ask(client, True, **more)

    return asyncio.run(asked()) if asynchronous else way.ask(client, False, **more)


def read(
    name: str, server: FakeLLM, asynchronous: bool, most: int | None = None, client: Any = None
) -> list[Any]:
    """Ask for a streamed answer, and read it, or so many chunks of it."""
    way = WAYS[name]
    client = client or way.make(server, asynchronous)
    chunks: list[Any] = []

    async def asked() -> None:
        stream = way.stream(client, True)
        stream = await stream if inspect.isawaitable(stream) else stream
        while most is None or len(chunks) < most:
            try:
                chunks.append(await anext(stream))
            except StopAsyncIteration:
                break

    if asynchronous:
        asyncio.run(asked())
    else:
        stream = way.stream(client, False)
        while most is None or len(chunks) < most:
            try:
                chunks.append(next(stream))
            except StopIteration:
                break
    return chunks


def lasting(request: Received) -> Received:
    """Return a request without what differs each time: numbers, times and signatures."""
    headers = [
        (name, "" if name.lower() in ANEW else re.sub(r"Signature=\w+", "", value))
        for name, value in request.headers
    ]
    return request._replace(headers=headers)


def expected(name: str, *, stream: bool, counts: bool = True, model: bool = True) -> dict[str, Any]:
    """Return what is recorded of a call that went well."""
    recorded = {**WAYS[name].recorded, "sdk": name, "stream": stream}
    if name == "google-genai" and not THOUGHTS:
        del recorded["$ai_reasoning_tokens"]
    if not counts:
        recorded = {key: value for key, value in recorded.items() if not key.endswith("_tokens")}
    return recorded


@each_sdk
def test_a_whole_answer(name: str, server: FakeLLM, recorded: Any, asynchronous: bool) -> None:
    answer = ask(name, server, asynchronous)
    assert MARK in repr(answer)
    assert recorded.call() == expected(name, stream=False)


@each_sdk
def test_a_stream(name: str, server: FakeLLM, recorded: Any, asynchronous: bool) -> None:
    assert len(read(name, server, asynchronous)) == WAYS[name].chunks
    assert recorded.call() == expected(name, stream=True)


@each_sdk
def test_a_stream_read_in_part_is_one_call_without_tokens(
    name: str, server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    assert len(read(name, server, asynchronous, most=1)) == 1
    assert recorded.call() == expected(name, stream=True, counts=False)


@each_sdk
def test_an_unread_stream_is_a_call_if_its_request_went_out(
    name: str, server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    assert read(name, server, asynchronous, most=0) == []
    asked = WAYS[name].asked_at_once
    assert len(server.received) == asked
    assert len(recorded.calls()) == asked


@pytest.mark.parametrize("name", [name for name in WAYS if name != "mistralai"])
def test_an_answer_without_counts_has_none(
    name: str, server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    ask(name, server, asynchronous)
    answer = server.answer(server.received[0].path, server.received[0].body).body
    for counts in (b"usageMetadata", b"usage", b"prompt_eval_count", b"eval_count"):
        answer = answer.replace(b'"%s"' % counts, b'"not_%s"' % counts)
    server.replies.append(Reply(answer))
    ask(name, server, asynchronous)
    assert "$ai_input_tokens" in recorded.calls()[0]
    recorded.log.path.write_text("".join(recorded.log.path.read_text().splitlines(True)[1:]))
    assert recorded.call() == expected(name, stream=False, counts=False)


@pytest.mark.parametrize(("name", "status"), ERRORS)
def test_an_error_is_the_sdk_s_own_and_recorded_by_class(
    name: str, status: int, server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    for stream, asking in ((False, ask), (True, read)):
        server.replies.append(failure(status))
        with pytest.raises(Exception, match=MARK) as caught:
            asking(name, server, asynchronous)
        cls = type(caught.value)
        assert f"{cls.__module__}.{cls.__qualname__}" == WAYS[name].errors[status]
        call = recorded.calls()[-1]
        assert (call["$ai_is_error"], call["stream"]) == (True, stream)
        assert (call["$ai_error"], call["$ai_http_status"]) == (WAYS[name].errors[status], status)
        assert not {"$ai_input_tokens", "$ai_output_tokens"} & set(call)
    assert len(recorded.calls()) == 2


REFUSED = {"google-genai": 5, "mistralai": 5, "boto3": ""}
"""Models for which these SDKs make no request."""


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_an_sdk_refuses_is_not_a_call(
    name: str, server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    with pytest.raises(Exception, match=r"(?i)valid"):
        ask(name, server, asynchronous, model=REFUSED[name])
    assert (server.received, recorded.calls()) == ([], [])
    ask(name, server, asynchronous)
    assert recorded.call() == expected(name, stream=False)


# boto3 does not notice that an answer is cut.
notice = pytest.mark.parametrize("name", [name for name in WAYS if name != "boto3"])


@notice
def test_a_connection_that_is_cut(
    name: str, server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    server.replies.append(Reply(b"{}", cut=0))
    with pytest.raises(Exception, match=r"(?i)connection|peer|disconnect|payload"):
        ask(name, server, asynchronous)
    call = recorded.call()
    assert (call["$ai_is_error"], call["$ai_error"]) == (True, WAYS[name].cut)


@notice
def test_a_stream_that_is_cut(
    name: str, server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    read(name, server, asynchronous)
    assert len(recorded.calls()) == 1
    reply = server.answer(server.received[0].path, server.received[0].body)
    middle = len(reply.body) - 10
    server.replies.append(reply._replace(cut=middle))
    with pytest.raises(Exception, match=r"(?i)connection|peer|closed|payload"):
        read(name, server, asynchronous)
    call = recorded.calls()[1]
    assert (call["$ai_is_error"], call["$ai_error"]) == (True, WAYS[name].cut)
    assert len(recorded.calls()) == 2


@each_sdk
def test_requests_and_answers_on_the_wire_are_unchanged(
    name: str, server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    def asked() -> list[Any]:
        answer = ask(name, server, asynchronous)
        chunks = read(name, server, asynchronous)
        shown = re.sub(r"\d\d:\d\d:\d\d", "time", repr(answer))
        return [type(answer), shown, [type(chunk) for chunk in chunks]]

    hooked = asked()
    hooks.unregister()
    assert hooked == asked()
    assert list(map(lasting, server.received[:2])) == list(map(lasting, server.received[2:]))


@each_sdk
def test_a_stream_has_the_same_type_as_without_hooks(
    name: str, server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    way = WAYS[name]

    async def streamed() -> list[type]:
        stream = way.stream(way.make(server, True), True)
        outer = type(stream)
        return [outer, type(await stream if inspect.isawaitable(stream) else stream)]

    def type_of_stream() -> list[type]:
        if asynchronous:
            return asyncio.run(streamed())
        return [type(way.stream(way.make(server, False), False))]

    hooked = type_of_stream()
    hooks.unregister()
    assert hooked == type_of_stream()


@each_sdk
def test_signatures_are_unchanged_and_unloading_takes_the_hooks_out(
    name: str, recorded: Any, asynchronous: bool
) -> None:
    def described() -> list[Any]:
        methods = [getattr(owner, method) for owner, method in WAYS[name].hooked]
        kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction)
        return [(inspect.signature(each), [kind(each) for kind in kinds]) for each in methods]

    def methods() -> list[Any]:
        return [vars(owner)[method] for owner, method in WAYS[name].hooked]

    def codes() -> list[Any]:
        return [(type(each), each.__code__) for each in methods()]

    hooked, ours = described(), codes()
    hooks.unregister()
    assert hooked == described()
    assert not any(map(operator.eq, ours, codes()))
    assert {type(each).__name__ for each in methods()} == {"function"}


@each_sdk
@pytest.mark.parametrize("how", ["off", "disable", "DO_NOT_TRACK", "unload"])
def test_after_a_no_a_client_created_before_records_nothing(
    name: str,
    server: FakeLLM,
    recorded: Any,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    asynchronous: bool,
) -> None:
    ask(name, server, asynchronous)
    one = WAYS[name].make(server, asynchronous)
    assert len(recorded.calls()) == 1
    recorded.analytics.stop_log()
    before = recorded.analytics.recording
    recorded.analytics.strict = False
    if how == "off":
        recorded.analytics.gate.switch = Switch(False, "a test")
    elif how == "disable":
        recorded.analytics.gate.store.opt_out()
    elif how == "DO_NOT_TRACK":
        monkeypatch.setenv("DO_NOT_TRACK", "1")
    else:
        hooks.unregister()
    ask(name, server, asynchronous, one)
    read(name, server, asynchronous)
    recorded.analytics.pipeline.catch_up()
    after = recorded.analytics.recording
    assert before.recorded["$ai_generation"] == 1
    assert after is before or not after.recorded["$ai_generation"]


@each_sdk
def test_a_client_used_before_loading_is_observed_too(
    name: str, server: FakeLLM, request: pytest.FixtureRequest, asynchronous: bool
) -> None:
    way = WAYS[name]
    one = way.make(server, asynchronous)

    async def twice() -> None:
        await way.ask(one, True)
        request.getfixturevalue("recorded")
        await way.ask(one, True)

    if asynchronous:
        asyncio.run(twice())
    else:
        way.ask(one, False)
        request.getfixturevalue("recorded")
        way.ask(one, False)
    assert request.getfixturevalue("recorded").call() == expected(name, stream=False)


@each_sdk
def test_a_failure_of_ours_does_not_reach_the_user(
    name: str,
    server: FakeLLM,
    recorded: Any,
    monkeypatch: pytest.MonkeyPatch,
    asynchronous: bool,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of order")

    counted = set()
    # To begin a call, to read and to record it, and to hold it for a stream: not all read or hold.
    for place in ("call.current", "call.belongs", "call.tokens", "recorder.Recorder.hold"):
        with monkeypatch.context() as broken:
            broken.setattr(f"dev_analytics.observers.llm.{place}", fail)
            assert MARK in repr(ask(name, server, asynchronous))
            assert len(read(name, server, asynchronous)) == WAYS[name].chunks
            if recorded.analytics.drops.counts.pop("failure inside", 0):
                counted.add(place)
    assert counted >= {"call.current", "call.tokens"}
    monkeypatch.setattr("dev_analytics.observers.llm.call.is_refused", fail)
    server.replies.append(failure(500))
    with pytest.raises(Exception, match=MARK):
        ask(name, server, asynchronous)
    assert recorded.analytics.drops.counts.pop("failure inside", 0)


@each_sdk
def test_tasks_have_each_its_own_edit_format(
    name: str, server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    # Each format has a model of its own, to tell whose call it is.
    pairs = list(zip(("diff", "whole", "udiff", "ask"), WAYS[name].models, strict=True)) * 3

    async def asked(one: Any, edit_format: str, model: str) -> None:
        with recorded.analytics.edit_format(edit_format, tool="aider"):
            await asyncio.sleep(0)
            await WAYS[name].ask(one, True, model=model)

    async def together() -> None:
        one = WAYS[name].make(server, True)
        await asyncio.gather(*(asked(one, *pair) for pair in pairs))

    if asynchronous:
        asyncio.run(together())
    else:
        for edit_format, model in pairs:
            with recorded.analytics.edit_format(edit_format, tool="aider"):
                ask(name, server, asynchronous, model=model)
    calls = recorded.calls()
    assert sorted((call["edit_format"], call["$ai_model"]) for call in calls) == sorted(pairs)
    assert {call["tool"] for call in calls} == {"aider"}
