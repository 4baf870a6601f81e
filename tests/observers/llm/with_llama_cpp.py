"""What llama.cpp makes with a model made here, which knows nothing: the real library, no network.

`make test` does not collect it, as the library comes as source and is compiled for minutes: `make
newest SDK=llama-cpp-python` runs it.
"""

from __future__ import annotations

import pickle
import threading
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy
import pytest
from fake_llm import MARK

from dev_analytics.observers import hooks

PUBLIC = "Qwen3-14B"
MESSAGES = [{"role": "user", "content": MARK}]


def written(path: Path) -> Path:
    """Write the smallest model that llama.cpp takes, whose tokens are the bytes."""
    random = numpy.random.default_rng(1)
    size, inner, tokens = (
        32,
        64,
        [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % n for n in range(256))],
    )
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([2, 3, 3, *[6] * 256])
    for name, number in (("bos", 1), ("eos", 2), ("unk", 0)):
        getattr(writer, f"add_{name}_token_id")(number)
    shapes: dict[str, tuple[int, ...]] = {
        **{name: (len(tokens), size) for name in ("token_embd", "output")},
        **dict.fromkeys(("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"), (size,)),
        **{f"blk.0.attn_{name}": (size, size) for name in ("q", "k", "v", "output")},
        **{f"blk.0.ffn_{name}": (inner, size) for name in ("gate", "up")},
        "blk.0.ffn_down": (size, inner),
    }
    for name, shape in shapes.items():
        tensor = random.standard_normal(shape).astype(numpy.float32) / 10
        writer.add_tensor(f"{name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Not below the folder of a test, in which no mark may be.
    return written(tmp_path_factory.mktemp(MARK) / f"{PUBLIC}-Q4_K_M.gguf")


@pytest.fixture
def llama(file: Path) -> Any:
    return llama_cpp.Llama(str(file), n_ctx=256, seed=1, embedding=True, verbose=False)


def tokens(call: dict[str, Any]) -> tuple[Any, Any]:
    return call.get("$ai_input_tokens"), call.get("$ai_output_tokens")


def counted(answer: Any) -> tuple[int, int]:
    """Return the library's own counts."""
    return answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]


@pytest.mark.parametrize("direct", [True, False])
def test_a_completion_is_one_local_call(recorded: Any, llama: Any, direct: bool) -> None:
    answer = (llama if direct else llama.create_completion)(MARK, max_tokens=5)
    call = recorded.call()
    assert tokens(call) == counted(answer)
    named = ("operation", "sdk", "$ai_provider", "$ai_model", "stream", "$ai_is_error")
    assert [call[name] for name in named] == [
        *("text_completion", "llama-cpp-python", "local", PUBLIC.lower(), False, False)
    ]


def test_a_chat_is_one_call(recorded: Any, llama: Any) -> None:
    answer = llama.create_chat_completion(MESSAGES, max_tokens=4)
    call = recorded.call()
    assert (call["operation"], tokens(call)) == ("chat", counted(answer))


def test_an_embedding_has_the_tokens_of_its_texts(recorded: Any, llama: Any) -> None:
    answer = llama.create_embedding([MARK, "b"])
    (call,) = recorded.calls()
    assert call["$ai_input_tokens"] == answer["usage"]["prompt_tokens"]
    assert call["$ai_model"] == PUBLIC.lower()


@pytest.mark.parametrize("left", [False, True])
def test_a_stream_is_one_call_without_counts(recorded: Any, llama: Any, left: bool) -> None:
    chat = llama.create_chat_completion(MESSAGES, max_tokens=4, stream=True)
    assert next(chat)["choices"]
    assert left or list(chat)
    del chat
    plain = llama(MARK, max_tokens=4, stream=True)
    assert next(plain)["choices"]
    assert left or list(plain)
    del plain
    calls = recorded.calls()
    assert [call["operation"] for call in calls] == ["chat", "text_completion"]
    assert [call["stream"] for call in calls] == [True, True]
    assert list(map(tokens, calls)) == [(None, None)] * 2
    assert {call["$ai_model"] for call in calls} == {PUBLIC.lower()}


def test_an_error_is_the_users_and_recorded(recorded: Any, llama: Any) -> None:
    with pytest.raises(ValueError, match="exceed context window"):
        llama(MARK * 100)
    call = recorded.call()
    assert (call["$ai_is_error"], call["$ai_error"]) == (True, "other")


@pytest.mark.parametrize("name", [f"{MARK}.gguf", f"{PUBLIC}-{MARK}.gguf", f"{PUBLIC}.gguf.old"])
def test_a_file_of_the_user_is_other(
    recorded: Any, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    path = written(tmp_path_factory.mktemp("models") / name)
    llama = llama_cpp.Llama(str(path), n_ctx=64, verbose=False)
    llama("a", max_tokens=1)
    assert recorded.call()["$ai_model"] == "other"


def test_answers_are_the_same_as_without_hooks_and_nothing_is_kept(
    recorded: Any, llama: Any, data: Path, everything: Any
) -> None:
    def told() -> list[Any]:
        llama.reset()
        answer = llama(MARK, max_tokens=8, temperature=0)
        chunks = list(llama(MARK, max_tokens=8, temperature=0, stream=True))
        return [answer["choices"], [chunk["choices"] for chunk in chunks]]

    hooked = told()
    assert MARK.encode() not in recorded.everything(data, everything)
    assert pickle.dumps(llama)
    hooks.unregister()
    assert hooked == told()
    assert type(vars(llama_cpp.Llama)["create_completion"]).__name__ == "function"


def test_each_thread_s_calls_are_recorded_once(recorded: Any, file: Path) -> None:
    def ask() -> None:
        llama = llama_cpp.Llama(str(file), n_ctx=64, verbose=False)
        for _ in range(5):
            llama("a", max_tokens=2)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recorded.calls()) == 20
