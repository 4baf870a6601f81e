"""Objects of the user's in a request: nothing of their classes is run by a hook."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from fake_llm import MARK, FakeLLM, Reply
from further_ways import CLAUDE, make_bedrock

from dev_analytics.observers import hooks

RAN: list[str] = []
CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": MARK}]}


def told(kind: type, *names: str) -> Any:
    """Return a class whose methods with these names note that they ran."""

    def noted(name: str) -> Any:
        def method(own: Any, *args: Any) -> Any:
            RAN.append(name)
            return getattr(kind, name)(own, *args)

        return method

    return type("Told", (kind,), {name: noted(name) for name in names})


Text = told(str, "__eq__", "__hash__", "__str__", "partition", "lower", "removeprefix")
Map = told(dict, "get", "__getitem__", "__contains__")
Client = told(openai.OpenAI, "__getattribute__")


def path_of_openai(server: FakeLLM) -> None:
    client = openai.OpenAI(base_url=server.address, api_key=MARK)
    client.post(Text("/chat/completions"), body=Map(CHAT), cast_to=object)


def client_of_openai(server: FakeLLM) -> None:
    Client(base_url=server.address, api_key=MARK).chat.completions.create(**CHAT)


def parameters_of_bedrock(server: FakeLLM) -> None:
    asked = Map(modelId=Text(CLAUDE), body=b"{}")
    make_bedrock(server, False)._make_api_call(Text("InvokeModel"), asked)


@pytest.mark.parametrize("ask", [path_of_openai, client_of_openai, parameters_of_bedrock])
def test_no_more_of_the_user_s_code_runs_than_without_hooks(
    ask: Any, server: FakeLLM, recorded: Any
) -> None:
    def ran() -> list[str]:
        RAN.clear()
        ask(server)
        return RAN.copy()

    reply = Reply(b"{}")
    if ask is parameters_of_bedrock:
        server.replies.extend([reply] * 3)
    ran()  # an SDK caches what it has looked up
    hooked = ran()
    assert len(recorded.calls()) == 2
    hooks.unregister()
    assert hooked == ran()
