"""From the address of a request to the public provider that serves it, and never further."""

from __future__ import annotations

from string import ascii_lowercase

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dev_analytics.catalogue import public_names
from dev_analytics.catalogue.addresses import MAX_URL, name_provider
from dev_analytics.catalogue.events import PROVIDERS


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1/", "openai"),
        ("https://eu.api.openai.com/v1/", "openai"),
        ("https://API.OpenAI.com./v1", "openai"),
        ("https://api.openai.com:443/v1", "openai"),
        ("https://jane:pw@api.openai.com/v1", "openai"),
        ("https://api.anthropic.com", "anthropic"),
        ("https://api.groq.com/openai/v1/", "groq"),
        ("https://acme.openai.azure.com/openai/", "azure"),
        ("https://bedrock-runtime.eu-central-1.amazonaws.com", "aws"),
        ("https://us-central1-aiplatform.googleapis.com/v1", "google"),
        ("https://router.huggingface.co/groq/v1", "huggingface_groq"),
        ("https://router.huggingface.co/v1/chat/completions", "huggingface"),
        ("https://acme.eu-west-1.aws.endpoints.huggingface.cloud", "huggingface"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "aws"),
        ("https://bedrock-mantle.us-east-1.api.aws/v1", "aws"),
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "dashscope"),
        ("https://api.deepinfra.com/v1/openai", "deepinfra"),
        ("https://integrate.api.nvidia.com/v1", "nvidia"),
        ("https://models.github.ai/inference", "github"),
        ("https://models.inference.ai.azure.com", "github"),
        ("https://ollama.com/v1", "ollama-cloud"),
        ("http://host.docker.internal:11434/v1", "local"),
        ("http://localhost:1234/v1", "local"),
        ("http://127.0.0.1/", "local"),
        ("http://[::1]:3/", "local"),
        ("https://jane:pw@localhost/x", "local"),
    ],
)
def test_an_address_is_its_public_provider(url: str, provider: str) -> None:
    assert name_provider(url) == provider


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost.acme.internal/v1",
        "https://llm.acme.internal/v1",
        "https://api.openai.com.acme.internal/v1",
        "https://api.openai.com@acme.internal/v1",
        "https://acme.internal/api.openai.com/v1",
        "https://acme.internal/?https://api.openai.com",
        "https://acme.internal#@api.openai.com",
        "https://acme.internal\\@api.openai.com",
        "https://notopenai.com",
        "https://acmeapi.openai.com",
        "https://openai.azure.com.acme.internal",
        "https://bedrock-runtime.amazonaws.com.acme.internal",
        "https://bedrock-runtime.eu.central.amazonaws.com",
        "https://bedrock-runtime.amazonaws.acme.com",
        "https://huggingface.co/acme",
        "https://host.docker.internal.acme.com",
        "https://acme.host.docker.internal",
        "https://bedrock-mantle.us-east-1.acme.api.aws",
        "https://acmeollama.com",
        "https://com",
        "https://api.openai.com:port/",
        "https://api.openai.com\n.acme.internal",
        "https://api。openai。com/",
        "ftp://api.openai.com",
        "api.openai.com",
        "https://[api.openai.com]/",
        f"https://api.openai.com/{'x' * MAX_URL}",
        f"https://{'a.' * 900}api.openai.com",
        "",
        None,
        b"https://api.openai.com",
    ],
)
def test_any_other_address_is_other(url: object) -> None:
    assert name_provider(url) == "other"


LABELS = st.text(ascii_lowercase + "0123456789-", min_size=1, max_size=9)
HOSTS = [host for host in public_names.hosts() if "/" not in host and "*" not in host]


@given(host=st.sampled_from(HOSTS), label=LABELS, path=st.text(ascii_lowercase + "/", max_size=9))
def test_a_host_is_a_provider_s_by_whole_labels(host: str, label: str, path: str) -> None:
    provider = public_names.hosts()[host]
    assert name_provider(f"https://{host}/{path}") == provider
    assert name_provider(f"https://{label}.{host}/{path}") == provider
    assert name_provider(f"https://{host}.{label}/{path}") == "other"
    joined = f"{label}{host}"
    assume(joined not in HOSTS and not joined.startswith("-"))
    assert name_provider(f"https://{joined}/{path}") == "other"


@given(st.text() | st.text().map("https://{}".format))
def test_nothing_outside_the_vocabulary_comes_out(url: str) -> None:
    assert name_provider(url) in PROVIDERS.members


def test_what_is_no_plain_text_is_never_touched() -> None:
    class Hostile(str):
        __slots__ = ()

        def __getattribute__(self, name: str) -> object:
            raise AssertionError(name)

    assert name_provider(Hostile("https://api.openai.com")) == "other"
