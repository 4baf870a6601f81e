"""What SDKs ask beside chats, or by ways of their own: one record each, and nothing changed."""

from __future__ import annotations

import asyncio
import base64
import enum
import inspect
import json
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import boto3
import botocore.exceptions
import botocore.stub
import cohere
import dspy
import fake_llm
import mistralai.client
import ollama
import pytest
from fake_llm import MARK, FakeLLM, Json, Reply, failure, server_sent, whole
from further_ways import (
    CLAUDE,
    CREDENTIALS,
    ONCE,
    event,
    events,
    make_bedrock,
    make_huggingface,
)
from google import genai
from google.auth.credentials import Credentials
from google.auth.exceptions import RefreshError
from google.genai import types
from huggingface_hub import AsyncInferenceClient, InferenceClient
from langchain_aws import ChatBedrockConverse

from dev_analytics.observers import hooks

SAID = [{"role": "user", "content": MARK}]
FLOATS = [0.1, 0.2]


class Ask(NamedTuple):
    """One way to ask.

    Attributes
    ----------
    ask
        Asks a server; what it gives may be awaitable, or a stream.
    operation, provider, model
        What is recorded of it.
    tokens
        Of the input and the output.
    stream
        The answer is streamed.
    """

    ask: Callable[[FakeLLM], Any]
    operation: str
    provider: str
    model: str
    tokens: tuple[int | None, int | None] = (None, None)
    stream: bool = False


# What the server answers


def interaction(request: Json) -> Reply:
    text = {"type": "model_output", "content": [{"type": "text", "text": MARK}]}
    usage = {
        "total_input_tokens": 100,
        "total_tool_use_tokens": 20,
        "total_output_tokens": 10,
        "total_thought_tokens": 20,
        "total_cached_tokens": 100,
        "total_tokens": 150,
    }
    told = {"id": "1", "object": "interaction", "status": "completed", "model": request["model"]}
    times = {"created": "2026-11-22T10:00:00Z", "updated": "2026-11-22T10:00:00Z"}
    answer = {**told, **times, "steps": [text], "usage": usage}
    if not request.get("stream"):
        return whole(answer)
    return server_sent(
        [
            {"event_type": "interaction.created", "interaction": {**told, **times}},
            {"event_type": "interaction.completed", "interaction": answer},
        ]
    )


def google_embeddings(request: Json) -> Reply:
    counted = {"promptTokenCount": 9}
    return whole({"embeddings": [{"values": FLOATS}], "usageMetadata": counted})


def cohere_embeddings(request: Json) -> Reply:
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 9}}
    return whole({"id": "1", "embeddings": {"float": [FLOATS]}, "texts": [MARK], "meta": meta})


def cohere_v1(request: Json) -> Reply:
    meta = {"tokens": {"input_tokens": 120, "output_tokens": 30}}
    answer = {"text": MARK, "generation_id": "1", "finish_reason": "COMPLETE", "meta": meta}
    if not request.get("stream"):
        return whole(answer)
    chunks = [
        {"event_type": "text-generation", "text": MARK, "is_finished": False},
        {
            "event_type": "stream-end",
            "finish_reason": "COMPLETE",
            "response": answer,
            "is_finished": True,
        },
    ]
    lines = "".join(f"{json.dumps(chunk)}\n" for chunk in chunks)
    return Reply(lines.encode(), kind="application/stream+json")


def cohere_v1_embeddings(request: Json) -> Reply:
    meta = {"api_version": {"version": "1"}, "billed_units": {"input_tokens": 9}}
    told = {"id": "1", "response_type": "embeddings_floats", "texts": [MARK]}
    return whole({**told, "embeddings": [FLOATS], "meta": meta})


def mistral_fim(request: Json) -> Reply:
    return fake_llm.mistral(request)


def mistral_conversation(request: Json) -> Reply:
    """Return an answer, or its events; a connector has put something in."""
    usage = {"prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 150}
    usage["connector_tokens"] = 20
    output = {"model": "mistral-large-2411", "content": MARK, "role": "assistant", "id": "1"}
    if not request.get("stream"):
        outputs = [{**output, "type": "message.output", "object": "entry"}]
        return whole({"conversation_id": MARK, "outputs": outputs, "usage": usage})
    return server_sent(
        [
            {"type": "conversation.response.started", "conversation_id": MARK},
            {"type": "message.output.delta", **output},
            {"type": "conversation.response.done", "usage": usage},
        ],
        named=True,
        done=False,
    )


def mistral_embeddings(request: Json) -> Reply:
    data = [{"object": "embedding", "index": 0, "embedding": FLOATS}]
    usage = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}
    told = {"id": "1", "object": "list", "model": request["model"]}
    return whole({**told, "data": data, "usage": usage})


def mistral_agent(request: Json) -> Reply:
    return fake_llm.mistral({**request, "model": "mistral-large-2411"})


def invoke(request: Json) -> Reply:
    counts = {"Input": 20, "Output": 30, "Cache-Read-Input": 100, "Cache-Write-Input": 0}
    named = {f"X-Amzn-Bedrock-{name}-Token-Count": str(each) for name, each in counts.items()}
    return whole({"content": [{"type": "text", "text": MARK}]})._replace(
        headers=tuple(named.items())
    )


def invoke_stream(request: Json) -> Reply:
    """Return a text that looks like counts and is not."""
    fooling = '"amazon-bedrock-invocationMetrics":{"inputTokenCount":999}'
    counts = {"inputTokenCount": 20, "outputTokenCount": 30, "cacheReadInputTokenCount": 100}
    last = {"type": "message_stop", "amazon-bedrock-invocationMetrics": counts}
    parts = [{"type": "content_block_delta", "delta": {"text": MARK + fooling}}, last]
    return events(*(event("chunk", {"bytes": encoded(part)}) for part in parts))


def encoded(part: Json) -> str:
    return base64.b64encode(json.dumps(part, separators=(",", ":")).encode()).decode()


def generated(request: Json) -> Reply:
    details = {"finish_reason": "length", "generated_tokens": 30, "prefill": [], "tokens": []}
    if not request.get("stream"):
        return whole([{"generated_text": MARK, "details": details}])
    token = {"id": 1, "text": MARK, "logprob": -1.0, "special": False}
    counted = {"finish_reason": "length", "generated_tokens": 30, "input_length": 120}
    last = {"index": 2, "token": token, "generated_text": MARK, "details": counted}
    return server_sent([{"index": 1, "token": token}, last], done=False)


fake_llm.ROUTES.update(
    {
        "/interactions": interaction,
        ":batchEmbedContents": google_embeddings,
        "/v2/embed": cohere_embeddings,
        "/v1/chat": cohere_v1,
        "/v1/embed": cohere_v1_embeddings,
        "/v1/fim/completions": mistral_fim,
        "/mistral/v1/embeddings": mistral_embeddings,
        "/v1/agents/completions": mistral_agent,
        "/v1/conversations": mistral_conversation,
        "/v1/conversations#stream": lambda request: mistral_conversation({"stream": True}),
        f"/v1/conversations/{MARK}": mistral_conversation,
        f"/v1/conversations/{MARK}/restart": mistral_conversation,
        "/invoke": invoke,
        "/invoke-with-response-stream": invoke_stream,
        "/api/embeddings": lambda request: whole({"embedding": FLOATS}),
        "/generate": generated,
        "/features": lambda request: whole([[0.1, 0.2]]),
    }
)

# Who asks it


def kept(server: FakeLLM, client: Any) -> Any:
    """Return a client that lives as long as the server: some close their streams when they go."""
    vars(server).setdefault("clients", []).append(client)
    return client


def google(server: FakeLLM) -> Any:
    options = types.HttpOptions(base_url=server.address)
    if hasattr(types, "HttpRetryOptions"):  # the lowest version does not try again
        options.retry_options = types.HttpRetryOptions(attempts=1)
    return kept(server, genai.Client(api_key=MARK, http_options=options))


def huggingface(server: FakeLLM, path: str, make: Any = InferenceClient) -> Any:
    return kept(server, make(f"{server.address}/{path}", token=MARK))


def mistral(server: FakeLLM) -> Any:
    return mistralai.client.Mistral(api_key=MARK, server_url=f"{server.address}/mistral")


def cohere_client(server: FakeLLM, make: Any) -> Any:
    return make(api_key=MARK, base_url=f"{server.address}/{MARK}", max_retries=0)


def langchain_bedrock(server: FakeLLM) -> Any:
    return ChatBedrockConverse(model=CLAUDE, client=make_bedrock(server, False))


def dspy_lm(server: FakeLLM, model: str) -> Any:
    """Return a model that is called in its provider's dialect, with its own counts."""
    address = f"{server.address}/v1"
    return dspy.LM(model, api_key=MARK, api_base=address, cache=False, num_retries=0)


async def bedrock(server: FakeLLM, method: str, **more: Any) -> Any:
    async with make_bedrock(server, True)() as client:
        answer = await getattr(client, method)(**more)
        body = answer["body"]
        if method == "invoke_model":
            return await body.read()
        return [part async for part in body]


def lines(answer: Any) -> list[Any]:
    return list(answer["body"])


GEMINI = {"model": "gemini-2.5-flash", "input": MARK}
EMBED = {"model": "gemini-embedding-001", "contents": MARK}
V2 = {"model": "embed-v4.0", "input_type": "search_document", "texts": [MARK]}
V1 = {"model": "command-r-plus", "message": MARK, "chat_history": []}
V1_EMBED = {"model": "embed-v4.0", "input_type": "search_document", "texts": [MARK]}
FIM = {"model": "codestral-latest", "prompt": MARK, "suffix": MARK}
START = {"inputs": MARK, "agent_id": MARK, "instructions": MARK}
APPEND = {"conversation_id": MARK, "inputs": MARK}
AGENT = {"agent_id": MARK, "messages": SAID}
INVOKE = {"modelId": CLAUDE, "body": json.dumps({"messages": SAID})}
TITAN = {"modelId": "amazon.titan-embed-text-v2:0", "body": json.dumps({"inputText": MARK})}

EMBEDDED = 9 if "usage_metadata" in types.EmbedContentResponse.model_fields else None
"""The tokens that google-genai counts: its lowest version hands on none."""

ASKS = {
    "interactions": Ask(
        lambda server: google(server).interactions.create(**GEMINI),
        *("generate_content", "google", "gemini-2.5-flash", (120, 10)),
    ),
    "interactions-stream": Ask(
        lambda server: google(server).interactions.create(**GEMINI, stream=True),
        *("generate_content", "google", "gemini-2.5-flash", (120, 10), True),
    ),
    "interactions-async": Ask(
        lambda server: google(server).aio.interactions.create(**GEMINI),
        *("generate_content", "google", "gemini-2.5-flash", (120, 10)),
    ),
    "interactions-stream-async": Ask(
        lambda server: google(server).aio.interactions.create(**GEMINI, stream=True),
        *("generate_content", "google", "gemini-2.5-flash", (120, 10), True),
    ),
    "google-embed": Ask(
        lambda server: google(server).models.embed_content(**EMBED),
        *("embeddings", "google", "gemini-embedding-001", (EMBEDDED, None)),
    ),
    "google-embed-async": Ask(
        lambda server: google(server).aio.models.embed_content(**EMBED),
        *("embeddings", "google", "gemini-embedding-001", (EMBEDDED, None)),
    ),
    "cohere-embed": Ask(
        lambda server: cohere_client(server, cohere.ClientV2).embed(**V2),
        *("embeddings", "cohere", "embed-v4.0", (9, None)),
    ),
    "cohere-embed-async": Ask(
        lambda server: cohere_client(server, cohere.AsyncClientV2).embed(**V2),
        *("embeddings", "cohere", "embed-v4.0", (9, None)),
    ),
    "cohere-v1": Ask(
        lambda server: cohere_client(server, cohere.Client).chat(**V1),
        *("chat", "cohere", "command-r-plus", (120, 30)),
    ),
    "cohere-v1-stream": Ask(
        lambda server: cohere_client(server, cohere.Client).chat_stream(**V1),
        *("chat", "cohere", "command-r-plus", (120, 30), True),
    ),
    "cohere-v1-async": Ask(
        lambda server: cohere_client(server, cohere.AsyncClient).chat(**V1),
        *("chat", "cohere", "command-r-plus", (120, 30)),
    ),
    "cohere-v1-stream-async": Ask(
        lambda server: cohere_client(server, cohere.AsyncClient).chat_stream(**V1),
        *("chat", "cohere", "command-r-plus", (120, 30), True),
    ),
    "cohere-v1-embed": Ask(
        lambda server: cohere_client(server, cohere.Client).embed(**V1_EMBED),
        *("embeddings", "cohere", "embed-v4.0", (9, None)),
    ),
    "mistral-fim": Ask(
        lambda server: mistral(server).fim.complete(**FIM),
        *("text_completion", "mistral", "codestral", (120, 30)),
    ),
    "mistral-fim-async": Ask(
        lambda server: mistral(server).fim.complete_async(**FIM),
        *("text_completion", "mistral", "codestral", (120, 30)),
    ),
    "mistral-fim-stream": Ask(
        lambda server: mistral(server).fim.stream(**FIM),
        *("text_completion", "mistral", "codestral", (120, 30), True),
    ),
    "mistral-fim-stream-async": Ask(
        lambda server: mistral(server).fim.stream_async(**FIM),
        *("text_completion", "mistral", "codestral", (120, 30), True),
    ),
    "mistral-agent": Ask(
        lambda server: mistral(server).agents.complete(**AGENT),
        *("chat", "mistral", "mistral-large", (120, 30)),
    ),
    "mistral-agent-stream-async": Ask(
        lambda server: mistral(server).agents.stream_async(**AGENT),
        *("chat", "mistral", "mistral-large", (120, 30), True),
    ),
    "mistral-conversation": Ask(
        lambda server: mistral(server).beta.conversations.start(**START),
        *("chat", "mistral", "mistral-large", (120, 30)),
    ),
    "mistral-conversation-async": Ask(
        lambda server: mistral(server).beta.conversations.append_async(**APPEND),
        *("chat", "mistral", "mistral-large", (120, 30)),
    ),
    "mistral-conversation-stream": Ask(
        lambda server: mistral(server).beta.conversations.start_stream(**START),
        *("chat", "mistral", "mistral-large", (120, 30), True),
    ),
    "mistral-conversation-stream-async": Ask(
        lambda server: mistral(server).beta.conversations.append_stream_async(**APPEND),
        *("chat", "mistral", "mistral-large", (120, 30), True),
    ),
    "mistral-conversation-restart": Ask(
        lambda server: mistral(server).beta.conversations.restart(**APPEND, from_entry_id=MARK),
        *("chat", "mistral", "mistral-large", (120, 30)),
    ),
    "mistral-embed": Ask(
        lambda server: mistral(server).embeddings.create(model="mistral-embed", inputs=[MARK]),
        *("embeddings", "mistral", "mistral-embed", (9, None)),
    ),
    "mistral-embed-async": Ask(
        lambda server: mistral(server).embeddings.create_async(
            model="mistral-embed", inputs=[MARK]
        ),
        *("embeddings", "mistral", "mistral-embed", (9, None)),
    ),
    "ollama-embeddings": Ask(
        lambda server: ollama.Client(server.address).embeddings("nomic-embed-text", MARK),
        *("embeddings", "ollama", "nomic-embed-text"),
    ),
    "ollama-embeddings-async": Ask(
        lambda server: ollama.AsyncClient(server.address).embeddings("nomic-embed-text", MARK),
        *("embeddings", "ollama", "nomic-embed-text"),
    ),
    "bedrock-invoke": Ask(
        lambda server: make_bedrock(server, False).invoke_model(**INVOKE)["body"].read(),
        *("chat", "aws", "claude-3-haiku", (120, 30)),
    ),
    "bedrock-invoke-async": Ask(
        lambda server: bedrock(server, "invoke_model", **INVOKE),
        *("chat", "aws", "claude-3-haiku", (120, 30)),
    ),
    "bedrock-invoke-stream": Ask(
        lambda server: lines(
            make_bedrock(server, False).invoke_model_with_response_stream(**INVOKE)
        ),
        *("chat", "aws", "claude-3-haiku", (120, 30), True),
    ),
    "bedrock-invoke-stream-async": Ask(
        lambda server: bedrock(server, "invoke_model_with_response_stream", **INVOKE),
        *("chat", "aws", "claude-3-haiku", (120, 30), True),
    ),
    "bedrock-embeddings": Ask(
        lambda server: make_bedrock(server, False).invoke_model(**TITAN)["body"].read(),
        *("embeddings", "aws", "amazon.titan-embed-text-v2:0", (120, 30)),
    ),
    "langchain-aws": Ask(
        lambda server: langchain_bedrock(server).invoke(MARK),
        *("chat", "aws", "claude-3-haiku", (120, 30)),
    ),
    "langchain-aws-stream": Ask(
        lambda server: langchain_bedrock(server).stream(MARK),
        *("chat", "aws", "claude-3-haiku", (120, 30), True),
    ),
    "dspy-anthropic": Ask(
        lambda server: dspy_lm(server, "anthropic/claude-3-haiku-20240307")(MARK),
        *("chat", "local", "claude-3-haiku", (335, 30)),
    ),
    "dspy-gemini": Ask(
        lambda server: dspy_lm(server, "gemini/gemini-2.5-flash")(MARK),
        # PostHog adds the reasoning of this model.
        *("chat", "local", "gemini-2.5-flash", (120, 10)),
    ),
    "huggingface-text": Ask(
        lambda server: huggingface(server, "generate").text_generation(MARK, details=True),
        *("text_completion", "local", "other", (None, 30)),
    ),
    "huggingface-text-stream": Ask(
        lambda server: huggingface(server, "generate").text_generation(
            MARK, details=True, stream=True
        ),
        *("text_completion", "local", "other", (120, 30), True),
    ),
    "huggingface-text-stream-async": Ask(
        lambda server: huggingface(server, "generate", AsyncInferenceClient).text_generation(
            MARK, stream=True
        ),
        *("text_completion", "local", "other", (None, None), True),
    ),
    "huggingface-features": Ask(
        lambda server: huggingface(server, "features").feature_extraction(MARK),
        *("embeddings", "local", "other"),
    ),
    "huggingface-chat-as-openai": Ask(
        lambda server: make_huggingface(server, False).chat.completions.create(
            model="Qwen/Qwen3-14B", messages=SAID
        ),
        *("chat", "local", "Qwen/Qwen3-14B", (120, 30)),
    ),
}
each_ask = pytest.mark.parametrize("name", ASKS)


def run(name: str, server: FakeLLM) -> list[Any]:
    """Ask, and give the answer, or all the chunks of a streamed one."""

    async def awaited(asking: Any) -> list[Any]:
        answer = await asking if inspect.isawaitable(asking) else asking
        if hasattr(answer, "__aiter__"):
            return [chunk async for chunk in answer]
        return answer if isinstance(answer, list) else [answer]

    async def asked() -> list[Any]:
        return await awaited(ASKS[name].ask(server))

    if name.endswith("-async"):
        return asyncio.run(asked())
    answer = ASKS[name].ask(server)
    return list(answer) if isinstance(answer, (Iterator, list)) else [answer]


@each_ask
def test_one_record_has_the_operation_the_model_and_the_tokens(
    name: str, server: FakeLLM, recorded: Any
) -> None:
    one = ASKS[name]
    assert run(name, server)
    call = recorded.call()
    named = ("operation", "$ai_provider", "$ai_model", "stream", "$ai_is_error")
    assert tuple(map(call.get, named)) == (*one[1:4], one.stream, False)
    assert (call.get("$ai_input_tokens"), call.get("$ai_output_tokens")) == one.tokens


@each_ask
def test_an_error_is_recorded_by_its_status(name: str, server: FakeLLM, recorded: Any) -> None:
    server.replies.append(failure(429))
    with pytest.raises(Exception, match=r".") as caught:
        run(name, server)
    call = recorded.call()
    assert (call["$ai_is_error"], call["$ai_http_status"]) == (True, 429)
    module = type(caught.value).__module__.partition(".")[0]
    assert call["$ai_error"].partition(".")[0] in (module, "other")


@each_ask
def test_answers_and_requests_are_the_same_as_without_hooks(
    name: str, server: FakeLLM, recorded: Any
) -> None:
    def told() -> list[str]:
        with warnings.catch_warnings(record=True, action="always") as caught:
            answer = run(name, server)
        warned = [str(each.message) for each in caught if each.category is not ResourceWarning]
        shown = [
            re.sub(r"0x[0-9a-f]+|lc_run-[0-9a-f-]+|\d\d:\d\d:\d\d", "", repr(part))
            for part in answer
        ]
        return [str([type(part) for part in answer]), *shown, *warned]

    # Some SDKs make classes when they are first asked, and warn of that.
    told()
    hooked = told()
    hooks.unregister()
    assert hooked == told()
    bodies = [(request.path, request.body) for request in server.received]
    each = len(bodies) // 3
    assert bodies[each : 2 * each] == bodies[2 * each :]


def test_other_calls_to_aws_pass_untouched(server: FakeLLM, recorded: Any) -> None:
    server.replies.append(Reply(b"{}"))
    queue = boto3.client("sqs", endpoint_url=server.address, config=ONCE, **CREDENTIALS)
    queue.list_queues()
    pictures = {"modelId": "amazon.nova-canvas-v1:0", "body": "{}"}
    make_bedrock(server, False).invoke_model(**pictures)
    assert len(server.received) == 2
    assert recorded.calls() == []


def test_an_error_of_bedrock_is_its_public_ancestor(server: FakeLLM, recorded: Any) -> None:
    told = failure(429)._replace(headers=(("x-amzn-errortype", "ThrottlingException"),))
    server.replies.append(told)
    client = make_bedrock(server, False)
    with pytest.raises(client.exceptions.ThrottlingException, match=MARK):
        client.converse(modelId=CLAUDE, messages=[])
    call = recorded.call()
    error = "botocore.exceptions.ClientError"
    assert (call["$ai_error"], call["$ai_http_status"]) == (error, 429)


def test_an_error_within_a_stream_of_bedrock(server: FakeLLM, recorded: Any) -> None:
    server.replies.append(
        events(
            event("messageStart", {"role": "assistant"}),
            event("throttlingException", {"message": MARK}, exception=True),
        )
    )
    stream = make_bedrock(server, False).converse_stream(modelId=CLAUDE, messages=[])["stream"]
    with pytest.raises(Exception, match=MARK):
        list(stream)
    assert recorded.call()["$ai_error"] == "botocore.exceptions.EventStreamError"


def test_a_stream_of_bedrock_that_is_closed_unread_is_one_call(
    server: FakeLLM, recorded: Any
) -> None:
    stream = make_bedrock(server, False).converse_stream(modelId=CLAUDE, messages=[])["stream"]
    stream.close()
    assert recorded.call()["$ai_is_error"] is False


def test_closing_a_stream_of_bedrock_ends_its_call_though_its_events_are_kept(
    server: FakeLLM, recorded: Any
) -> None:
    stream = make_bedrock(server, False).converse_stream(modelId=CLAUDE, messages=[])["stream"]
    kept = iter(stream)
    next(kept)
    stream.close()
    assert recorded.call()["stream"] is True
    assert kept is not None


def test_a_model_may_be_a_member_of_an_enumeration(server: FakeLLM, recorded: Any) -> None:
    class Model(enum.StrEnum):
        CLAUDE = CLAUDE
        COMMAND = "command-r"

        def lower(self) -> str:
            raise AssertionError("a method of the user's")

    make_bedrock(server, False).converse(modelId=Model.CLAUDE, messages=[])
    said: Any = SAID
    cohere.ClientV2(MARK, base_url=server.address).chat(model=Model.COMMAND, messages=said)
    models = [call["$ai_model"] for call in recorded.calls()]
    assert models == ["claude-3-haiku", "command-r"]


def test_an_error_of_dspy_is_that_of_its_own_client(server: FakeLLM, recorded: Any) -> None:
    server.replies.append(failure(429))
    address = f"{server.address}/v1"
    lm = dspy.LM("openai/gpt-4o", api_key=MARK, api_base=address, cache=False, num_retries=0)
    with pytest.raises(dspy.utils.exceptions.LMRateLimitError):
        lm(MARK)
    call = recorded.call()
    error = "dspy._vendor.lm15.errors.RateLimitError"
    assert (call["$ai_error"], call["$ai_http_status"]) == (error, 429)


def test_an_event_of_an_error_ends_a_conversation_of_mistral(
    server: FakeLLM, recorded: Any
) -> None:
    told = {"type": "conversation.response.error", "message": MARK, "code": 1}
    server.replies.append(server_sent([told], named=True, done=False))
    assert len(list(mistral(server).beta.conversations.start_stream(**START))) == 1
    assert recorded.call()["$ai_is_error"] is True


def test_a_request_that_huggingface_repeats_without_some_parameters_is_two_calls(
    server: FakeLLM, recorded: Any
) -> None:
    """The first is an error of the server's."""
    refused = "The following `model_kwargs` are not used by the model: ['watermark']"
    server.replies.append(Reply(json.dumps({"error": refused}).encode(), 400))
    client = InferenceClient(token=MARK)
    with pytest.warns(UserWarning, match="not served via TGI"):
        client.text_generation(MARK, watermark=True, model=f"{server.address}/generate")
    assert [call["$ai_is_error"] for call in recorded.calls()] == [True, False]


def test_a_request_that_huggingface_refuses_is_not_a_call(server: FakeLLM, recorded: Any) -> None:
    unknown: Any = MARK
    with pytest.raises(ValueError, match="provider"):
        InferenceClient(provider=unknown, token=MARK).chat_completion(SAID, model="x")
    assert recorded.calls() == []


class NoToken(Credentials):
    """Credentials that nobody accepts."""

    def refresh(self, request: object) -> None:
        raise RefreshError(MARK)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_without_a_token_there_is_no_call_to_vertex_ai(
    server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    client = genai.Client(
        vertexai=True,
        credentials=NoToken(),  # type: ignore[no-untyped-call]
        project=MARK,
        location="global",
        http_options=types.HttpOptions(base_url=server.address),
    )
    said: dict[str, Any] = {"model": "gemini-2.5-flash", "contents": MARK}

    def stream() -> Any:
        return list(client.models.generate_content_stream(**said))

    async def stream_async() -> Any:
        return [each async for each in await client.aio.models.generate_content_stream(**said)]

    def refused(ask: Callable[[], Any]) -> None:
        with pytest.raises(RefreshError):
            ask()

    if asynchronous:
        refused(lambda: asyncio.run(client.aio.models.generate_content(**said)))
        refused(lambda: asyncio.run(stream_async()))
    else:
        refused(lambda: client.models.generate_content(**said))
        refused(stream)
    assert (server.received, recorded.calls()) == ([], [])


def test_a_request_that_boto3_does_not_send_is_not_a_call(
    server: FakeLLM, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For want of credentials, or because the answer is a mocked one."""
    said = [{"role": "user", "content": [{"text": MARK}]}]
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    session = boto3.Session(region_name="eu-central-1")
    client = session.client("bedrock-runtime", endpoint_url=server.address)
    for method in (client.converse, client.converse_stream):
        with pytest.raises(botocore.exceptions.NoCredentialsError):
            method(modelId=CLAUDE, messages=said)
    client = make_bedrock(server, False)
    with botocore.stub.Stubber(client) as stub:
        answer = json.loads(fake_llm.ROUTES["/converse"]({}).body)
        stub.add_response("converse", answer)
        assert MARK in repr(client.converse(modelId=CLAUDE, messages=said))
    assert (server.received, recorded.calls()) == ([], [])
