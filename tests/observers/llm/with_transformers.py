"""What transformers generates with a model made here, which knows nothing: real torch, no network.

`make test` does not collect it, as torch is gigabytes: `make newest` runs it.
"""

from __future__ import annotations

import threading
import time
import warnings
from typing import Any

import pytest
import torch
import transformers
from fake_llm import MARK
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
    TextIteratorStreamer,
    pipeline,
)

from dev_analytics.observers import hooks

PUBLIC = "Qwen/Qwen3-14B"
torch.set_num_threads(1)
IDS = torch.tensor([[1, 2, 3], [4, 5, 6]])


def gpt(name: str = PUBLIC) -> Any:
    torch.manual_seed(1)
    tokens = {"bos_token_id": 0, "eos_token_id": None, "pad_token_id": 0}
    config = GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=16, **tokens)
    config._name_or_path = name
    return GPT2LMHeadModel(config).eval()


def tokenizer() -> Any:
    words = [MARK, *"abcdefghijklmno"]
    model = models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="a")
    made = Tokenizer(model)
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="a", pad_token="a")


def tokens(call: dict[str, Any]) -> tuple[Any, Any]:
    return call["$ai_input_tokens"], call["$ai_output_tokens"]


def test_generated_text_is_one_local_call_with_the_tokens_of_its_shapes(recorded: Any) -> None:
    assert gpt().generate(IDS, max_new_tokens=4, do_sample=False).shape == (2, 7)
    call = recorded.call()
    assert tokens(call) == (6, 8)
    named = ("operation", "sdk", "$ai_provider", "$ai_model", "stream", "$ai_is_error")
    assert [call[name] for name in named] == [
        *("text_completion", "transformers", "local", PUBLIC, False, False)
    ]
    assert (call["$ai_input_token_price"], call["$ai_output_token_price"]) == (0, 0)


@pytest.mark.parametrize("name", [f"/home/{MARK}/gpt2", f"{MARK}/gpt2", f"./{MARK}", MARK, ""])
def test_a_model_of_the_user_is_other(recorded: Any, name: str) -> None:
    gpt(name).generate(input_ids=IDS, max_new_tokens=4)
    assert recorded.call().get("$ai_model", "other") == "other"


def test_a_dictionary_of_outputs_and_embeddings_as_input(recorded: Any) -> None:
    model = gpt()
    out = model.generate(input_ids=IDS, max_new_tokens=4, return_dict_in_generate=True)
    assert out.sequences.shape == (2, 7)
    model.generate(inputs_embeds=torch.zeros(1, 5, 8), max_new_tokens=4)
    assert list(map(tokens, recorded.calls())) == [(6, 8), (5, 4)]


def test_the_output_of_an_encoder_does_not_repeat_its_input(recorded: Any) -> None:
    small = {"d_model": 8, "d_ff": 8, "d_kv": 4, "num_layers": 1, "num_heads": 2, "vocab_size": 16}
    config = T5Config(**small, decoder_start_token_id=0, eos_token_id=None)
    model = T5ForConditionalGeneration(config).eval()
    made = model.generate(IDS, max_new_tokens=4)
    assert tokens(recorded.call()) == (6, made.numel())


def test_a_pipeline_is_one_call(recorded: Any) -> None:
    generate = pipeline("text-generation", model=gpt(), tokenizer=tokenizer())
    assert MARK in generate(f"{MARK} b c", max_new_tokens=3)[0]["generated_text"]
    assert tokens(recorded.call()) == (len(tokenizer()(f"{MARK} b c").input_ids), 3)


def test_a_model_that_helps_another_makes_no_call(recorded: Any) -> None:
    gpt().generate(IDS[:1], max_new_tokens=6, assistant_model=gpt(), do_sample=False)
    assert tokens(recorded.call()) == (3, 6)


def test_a_streamed_text(recorded: Any) -> None:
    streamer = TextIteratorStreamer(tokenizer())
    asked = {"inputs": IDS[:1], "max_new_tokens": 4, "streamer": streamer}
    thread = threading.Thread(target=gpt().generate, kwargs=asked)
    thread.start()
    assert list(streamer)
    thread.join()
    call = recorded.call()
    assert (call["stream"], tokens(call)) == (True, (3, 4))


def test_an_error_is_the_users_and_recorded(recorded: Any) -> None:
    with pytest.raises(IndexError):
        gpt().generate(torch.tensor([[99]]), max_new_tokens=1)
    call = recorded.call()
    assert (call["$ai_is_error"], call["$ai_error"]) == (True, "other")


def test_results_and_warnings_are_the_same_as_without_hooks(recorded: Any) -> None:
    model = gpt()

    def told() -> list[Any]:
        with warnings.catch_warnings(record=True, action="always") as caught:
            made = model.generate(IDS, max_new_tokens=4, do_sample=False)
        return [type(made), made.tolist(), made.requires_grad, *map(str, caught)]

    hooked = told()
    hooks.unregister()
    assert hooked == told()
    assert type(vars(transformers.GenerationMixin)["generate"]).__name__ == "function"


def test_a_tensor_class_of_the_user_is_not_read(recorded: Any) -> None:
    class Mine(torch.Tensor):  # type: ignore[misc]
        pass

    gpt().generate(IDS.as_subclass(Mine), max_new_tokens=1)
    assert "$ai_input_tokens" not in recorded.call()


def test_the_cost_of_a_call_is_what_posthog_computes(
    recorded: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the smallest model that there can be; some µs of milliseconds."""
    model = gpt()
    taken: dict[bool, list[float]] = {True: [], False: []}
    active = hooks.State.active
    for number in range(60):
        observed = number % 2 == 0
        hooks.State.active = active if observed else None
        begin = time.process_time()
        model.generate(IDS, max_new_tokens=1, do_sample=False)
        taken[observed].append(time.process_time() - begin)
    hooks.State.active = active
    with capsys.disabled():
        print({key: f"{sorted(each)[len(each) // 2] * 1e6:.0f} µs" for key, each in taken.items()})
    assert min(taken[True]) < 1.5 * min(taken[False])


def test_the_path_of_a_hub_model_s_snapshot_is_not_recorded(
    recorded: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("hub") / MARK
    gpt().save_pretrained(folder)
    model = GPT2LMHeadModel.from_pretrained(folder)
    model.generate(IDS, max_new_tokens=1)
    assert recorded.call()["$ai_model"] == "other"
