"""What is recorded of models that transformers and llama.cpp run on this machine, by stand-ins.

They have the names and the shapes of answers of the libraries, which are too large to be installed
here: `with_transformers` and `with_llama_cpp` hold the real ones to the same, by `make newest`.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from fake_llm import MARK

from dev_analytics.observers import hooks
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.sdks import llama_cpp, transformers

PUBLIC = "Qwen/Qwen3-14B"


class Tensor:
    """A tensor, of which only the shape is read."""

    __module__ = "torch"

    def __init__(self, *shape: int) -> None:
        self.shape = shape


class Output:
    """What `generate` returns if it is asked for more than the tokens."""

    __module__ = "transformers.generation.utils"

    def __init__(self, sequences: Tensor) -> None:
        self.sequences = sequences


class Config:
    def __init__(self, name: str, encoder: bool) -> None:
        self._name_or_path = name
        self.is_encoder_decoder = encoder


class Model:
    """A model whose `generate` returns what it is told to, or raises it."""

    main_input_name = "input_ids"

    def __init__(self, answer: Any, name: str = PUBLIC, *, encoder: bool = False) -> None:
        self.config = Config(name, encoder)
        self.answer = answer

    def generate(self, inputs: Any = None, **more: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        assistant = more.get("assistant_model")
        return self.answer if assistant is None else assistant.generate(inputs)


class ImageModel(Model):
    main_input_name = "pixel_values"


class Llama:
    """A model whose completions have what is asked for in them."""

    def __init__(self, path: str) -> None:
        self.path = path

    def _answer(self, **usage: int) -> dict[str, Any]:
        return {"model": self.path, "usage": {**usage, "total_tokens": 20}}

    def _chunks(self) -> Iterator[dict[str, Any]]:
        yield {"model": self.path, "choices": []}

    def create_completion(self, prompt: str, stream: bool = False, **more: Any) -> Any:
        return self._chunks() if stream else self._answer(prompt_tokens=7, completion_tokens=5)

    def create_chat_completion(self, messages: Any, **more: Any) -> Any:
        return self.create_completion(prompt=MARK, **more)

    def create_embedding(self, texts: Any, **more: Any) -> Any:
        return self._answer(prompt_tokens=7 * len(texts))


@pytest.fixture(autouse=True)
def hooked(recorded: Any) -> None:
    hooks.State.active = Recorder(recorded.analytics)
    module: Any = ModuleType("module")
    module.GenerationMixin, module.Llama = Model, Llama
    transformers.hook(module)
    llama_cpp.hook(module)


def tokens(call: dict[str, Any]) -> tuple[Any, Any]:
    return call.get("$ai_input_tokens"), call.get("$ai_output_tokens")


def test_generated_text_is_one_local_call_with_the_tokens_of_its_shapes(recorded: Any) -> None:
    answer = Tensor(2, 7)
    assert Model(answer).generate(Tensor(2, 3)) is answer
    call = recorded.call()
    named = ("operation", "sdk", "$ai_provider", "$ai_model", "stream", "$ai_is_error")
    assert [call[name] for name in named] == [
        *("text_completion", "transformers", "local", PUBLIC, False, False)
    ]
    assert tokens(call) == (6, 8)


@pytest.mark.parametrize(
    ("model", "asked", "counts"),
    [
        (Model(Output(Tensor(2, 7))), {"input_ids": Tensor(2, 3)}, (6, 8)),
        (Model(Tensor(2, 7), encoder=True), {"inputs": Tensor(2, 3)}, (6, 14)),
        (Model(Tensor(1, 4)), {"inputs_embeds": Tensor(1, 5, 8)}, (5, 4)),
        (Model(Tensor(7)), {"inputs": Tensor(3)}, (None, None)),
        (Model([MARK]), {"inputs": [MARK]}, (None, None)),
    ],
    ids=["of a dictionary", "of an encoder", "of embeddings", "of no row", "of no tensor"],
)
def test_the_tokens_are_those(
    recorded: Any, model: Model, asked: dict[str, Any], counts: tuple[Any, Any]
) -> None:
    assert model.generate(**asked) is model.answer
    assert tokens(recorded.call()) == counts


def test_only_the_outermost_model_that_takes_texts_makes_a_call(recorded: Any) -> None:
    Model(None).generate(Tensor(1, 3), assistant_model=Model(Tensor(1, 9)))
    ImageModel(None).generate(Tensor(1, 3))
    assert tokens(recorded.call()) == (3, 6)


def test_an_error_of_a_model_is_the_user_s_and_recorded(recorded: Any) -> None:
    with pytest.raises(IndexError, match=MARK):
        Model(IndexError(MARK), f"/home/{MARK}").generate(Tensor(1, 3), streamer=print)
    call = recorded.call()
    assert (call["$ai_is_error"], call["$ai_model"], call["stream"]) == (True, "other", True)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        (f"/home/{MARK}/Qwen3-14B-Q4_K_M.gguf", "qwen3-14b"),
        (f"C:\\{MARK}\\Qwen3-14B.gguf", "qwen3-14b"),
        ("qwen3-14b", "qwen3-14b"),
        (f"/home/{MARK}/{MARK}.gguf", "other"),
        ("Qwen3-14B.gguf.old", "other"),
    ],
)
def test_a_model_of_llama_cpp_is_named_by_its_file(recorded: Any, path: str, model: str) -> None:
    Llama(path).create_completion(MARK)
    call = recorded.call()
    assert (call["$ai_model"], call["operation"], tokens(call)) == (
        *(model, "text_completion", (7, 5)),
    )


def test_a_chat_and_embeddings_of_llama_cpp_are_one_call_each(recorded: Any) -> None:
    llama = Llama(f"{MARK}/Qwen3-14B-Q8_0.gguf")
    llama.create_chat_completion([])
    assert list(llama.create_chat_completion([], stream=True))
    llama.create_embedding([MARK, "b"])
    calls = recorded.calls()
    assert [call["operation"] for call in calls[:2]] == ["chat", "chat"]
    assert [call.get("stream") for call in calls] == [False, True, False]
    assert list(map(tokens, calls)) == [(7, 5), (None, None), (14, None)]
