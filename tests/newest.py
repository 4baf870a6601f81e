"""Run the tests of each SDK with its newest release, allowed by nothing but its name.

``make newest`` runs it, outside ``make test``: what it says changes from day to day. Each SDK is
installed apart, with what it needs; the line of each tells what a new release breaks.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Final, NamedTuple

from dev_analytics.catalogue.events import SDKS as WORDS
from dev_analytics.observers.hooks import DISTRIBUTIONS

PROJECT: Final = Path(__file__).parents[1]
TESTS: Final = "tests/observers/llm"
FOLDER: Final = Path(sys.prefix) / "newest"


class SDK(NamedTuple):
    """What is tested together.

    Attributes
    ----------
    packages
        What is installed; the first is the one that is told of.
    files
        The files with its tests.
    chosen
        Which of their tests are its own, as pytest's ``-k`` has it.
    apart
        Its tests run it in processes of their own.
    """

    packages: tuple[str, ...]
    files: tuple[str, ...]
    chosen: str = ""
    apart: bool = False


BOTH: Final = ("test_methods.py", "test_methods_apart.py", "test_further_asks.py")
SDKS: Final = {
    **{
        name: SDK((DISTRIBUTIONS.get(name, name),), tuple(sorted(file.name for file in found)))
        for name in WORDS.words
        if (found := [*(PROJECT / TESTS).glob(f"test_{name}*.py")])
    },
    # Its cache imports its proxy, which it does not ask for: fastapi and soundfile.
    "litellm": SDK(
        ("litellm", "fastapi", "soundfile"), ("test_litellm.py", "test_litellm_cache.py")
    ),
    "google-genai": SDK(("google-genai",), BOTH, "google or gemini or interactions"),
    "mistralai": SDK(("mistralai",), BOTH, "mistral"),
    "cohere": SDK(("cohere",), BOTH, "cohere"),
    "ollama": SDK(("ollama",), BOTH, "ollama"),
    "huggingface_hub": SDK(("huggingface_hub",), BOTH, "huggingface"),
    # Each allows botocore in versions of its own.
    "boto3": SDK(("boto3",), BOTH, "(boto3 or bedrock) and not async"),
    "aiobotocore": SDK(("aiobotocore",), BOTH, "(boto3 or bedrock) and async"),
    "dspy": SDK(("dspy",), BOTH, "dspy"),
    "together": SDK(("together",), ("test_sdks_apart.py",), "together", apart=True),
    "fireworks": SDK(("fireworks-ai",), ("test_sdks_apart.py",), "fireworks", apart=True),
    "xai-sdk": SDK(("xai-sdk",), ("test_sdks_apart.py",), "xai", apart=True),
    "langchain-mistralai": SDK(
        ("langchain-mistralai",), ("test_sdks_apart.py",), "langchain", apart=True
    ),
    "transformers": SDK(("transformers", "torch"), ("with_transformers.py",)),
    "llama-cpp-python": SDK(("llama-cpp-python", "gguf"), ("with_llama_cpp.py",)),
}
LARGE: Final = frozenset({"transformers", "llama-cpp-python"})
"""Those that are tested only when they are named: gigabytes, or a compiler at work for minutes."""

_TOLD: Final = re.compile(
    r"^(?:FAILED|ERROR) .*|^\d+ .*(?:passed|failed|error).* in .*", re.MULTILINE
)


def install(name: str) -> str | None:
    """Install an SDK apart; return its version, or None where pip could not."""
    target = FOLDER / name / "site-packages"
    packages = SDKS[name].packages
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target")
    done = subprocess.run([*pip, str(target), *packages], capture_output=True, text=True)
    if done.returncode:
        print(done.stderr)
        return None
    wanted = packages[0].replace("_", "-").lower()
    for found in distributions(path=[str(target)]):
        if found.name.replace("_", "-").lower() == wanted:
            return found.version
    return None


def check(name: str) -> tuple[bool, str]:
    """Run the tests of an SDK; return whether they pass, and what pytest says at the end."""
    sdk = SDKS[name]
    target = str(FOLDER / name / "site-packages")
    files = [f"{TESTS}/{file}" for file in sdk.files]
    chosen = ["-k", sdk.chosen] if sdk.chosen else []
    environment = {"SDKS_APART": target} if sdk.apart else {"PYTHONPATH": target}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, *chosen],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    told = _TOLD.findall(done.stdout)
    return done.returncode == 0, "\n".join(told) or (done.stdout + done.stderr)[-2000:]


def tested(package: str) -> str:
    """Return the version that `make test` has, if it is in the environment itself."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "apart"


def main(names: list[str]) -> int:
    """Test the SDKs that are named, or all but the large ones; return the exit status."""
    unknown = set(names) - set(SDKS)
    if unknown:
        print(f"no such SDK: {', '.join(sorted(unknown))}; there are {', '.join(SDKS)}")
        return 2
    broken = []
    for name in names or [name for name in SDKS if name not in LARGE]:
        begin = time.monotonic()
        newest = install(name)
        passed, told = check(name) if newest else (False, "could not be installed")
        if not passed:
            broken.append(name)
        seconds = time.monotonic() - begin
        said = told.splitlines()[-1] if passed else f"BROKEN\n{told}"
        had = tested(SDKS[name].packages[0])
        print(f"{name}: {newest} (make test: {had}), {seconds:.0f} s: {said}", flush=True)
    if not names:
        print(f"only when named: {', '.join(sorted(LARGE))}, as make newest SDK=NAME")
    print(f"broken: {', '.join(broken)}" if broken else "nothing is broken")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
