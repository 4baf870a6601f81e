"""The shipped vocabularies are closed, readable and as new as their sources."""

from __future__ import annotations

import builtins
import importlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib.metadata import version

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_table import OLD_IDS
from published import missing
from vocabularies import listed, prices, published
from vocabularies.exceptions import full_name
from vocabularies.sections import parse
from vocabularies.sources import SOURCES as AS_THEY_ARE
from vocabularies.withheld import is_about_a_person, is_template

from dev_analytics.catalogue import public_names
from dev_analytics.catalogue.models import FAMILIES
from dev_analytics.catalogue.vocabulary import FOLDER, OTHER, Vocabulary, origin, read

FILES = sorted(FOLDER.glob("*.txt"))
NAMES = [path.stem for path in FILES]
EXPECTED = {
    *("cell_magics", "edit_formats", "exceptions", "frontends", "line_magics", "models"),
    *("packages", "providers", "sdks", "shell_commands"),
}
# What is installed is read once: thousands of modules.
SOURCES = {
    name: replace(source, offline=cache(source.offline)) for name, source in AS_THEY_ARE.items()
}
REFRESH = "python scripts/refresh_vocabularies.py"
# Where the public exceptions of packages stand as attributes.
EXCEPTION_MODULES = (
    "pandas.errors",
    "numpy.exceptions",
    "numpy.linalg",
    "requests.exceptions",
    "httpx",
    "traitlets",
    "traitlets.config",
    "IPython.core.error",
    "IPython.core.interactiveshell",
)
LIKELY_USER_FILES = """
    agent agents analysis api app apps base client common conf config constants core data dataset
    db demo draft env environment evaluate evaluation example examples exceptions
    feature features func functions game helper helpers lib libs loader loaders main metrics model
    models module my_module net network notebook pipeline pipelines plot plots plotting predict
    preprocess preprocessing project run runner sandbox schema schemas scratch script scripts
    server service services settings setup src task tasks temp test tests tmp tool tools train
    training util utils views visualization viz work worker
"""
SHELLS = """
import json
from IPython.terminal.interactiveshell import TerminalInteractiveShell
from ipykernel.zmqshell import ZMQInteractiveShell
found = {"line": [], "cell": []}
for shell in (TerminalInteractiveShell, ZMQInteractiveShell):
    for kind, names in shell.instance().magics_manager.magics.items():
        found[kind] += names
    shell.clear_instance()
print(json.dumps(found))
"""


def text(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text("utf-8")


def shown(value: type) -> str:
    return full_name(value.__module__, value.__qualname__)


def test_every_vocabulary_is_shipped() -> None:
    assert set(NAMES) == EXPECTED


@pytest.mark.parametrize("name", NAMES)
class TestFile:
    def test_tells_its_words_and_where_they_come_from(self, name: str) -> None:
        vocabulary = Vocabulary(name)
        assert list(vocabulary.words) == [word for word in read(name) if word != OTHER]
        assert {*vocabulary.words, OTHER} == vocabulary.members
        assert origin(name).endswith(".")
        assert "#" not in origin(name)
        assert REFRESH not in origin(name)

    def test_is_ascii(self, name: str) -> None:
        assert text(name).isascii()

    def test_heading_tells_what_it_is_and_where_from(self, name: str) -> None:
        heading = parse(text(name)).heading
        told = "\n".join(heading.comments)
        assert len(heading.comments) >= 2
        assert not heading.members, "members must stand in a section"
        expected = f"{REFRESH} {name}" if name in SOURCES else "Kept by hand"
        assert expected in told

    def test_sections_are_sorted(self, name: str) -> None:
        parts = parse(text(name))
        for section in (parts.generated, parts.kept):
            assert section.members == sorted(section.members)

    def test_members_are_unique(self, name: str) -> None:
        members = read(name)
        assert len(members) == len(set(members))

    def test_members_are_plain_words(self, name: str) -> None:
        for member in read(name):
            assert member == member.strip()
            assert member.isprintable()
            assert 0 < len(member) <= 160

    def test_parts_give_the_same_text_again(self, name: str) -> None:
        assert parse(text(name)).text() == text(name)

    def test_source_section_stands_where_there_is_a_source(self, name: str) -> None:
        assert bool(parse(text(name)).generated.members) == (name in SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_is_not_stale(name: str) -> None:
    findings = SOURCES[name].findings(parse(text(name)))
    assert not findings, f"{name}.txt is stale, run `{REFRESH} {name}`: {findings[:20]}"


@pytest.mark.parametrize("name", SOURCES)
def test_staleness_is_found(name: str) -> None:
    parts = parse(text(name))
    lost = sorted(SOURCES[name].offline() & set(parts.generated.members))[0]
    parts.generated.members.remove(lost)
    assert SOURCES[name].findings(parts) == [f"lacks {lost}"]
    if SOURCES[name].described:
        parts.generated.members += [lost, "zz_of_nothing"]
        found = SOURCES[name].findings(parts)
        assert found == ["has zz_of_nothing, which its source lacks"]


def test_refreshing_preserves_what_is_kept_by_hand() -> None:
    parts = parse("# what\n# where\n# from a 1\nold\n# kept by hand: why\nmine\n")
    refreshed = parts.refreshed(["# from a 2"], {"new", "b", "mine"})
    assert refreshed.text() == "# what\n# where\n# from a 2\nb\nnew\n# kept by hand: why\nmine\n"


def test_installed_magics_are_members(tmp_path: os.PathLike[str]) -> None:
    shells = subprocess.run(
        [sys.executable, "-c", SHELLS],
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(shells.stdout.splitlines()[-1])
    line, cell = set(read("line_magics")), set(read("cell_magics"))
    assert len(found["line"]) > 70
    assert len(found["cell"]) > 15
    assert set(found["cell"]) <= cell
    assert set(found["line"]) <= line
    assert {"dev_analytics", "pip", "ls", "autoreload", "sql"} <= line
    assert {"dev_analytics", "bash", "!", "sql"} <= cell


def test_built_in_exceptions_are_members() -> None:
    found = {
        shown(value)
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException) and name[0] != "_"
    }
    assert len(found) > 60
    assert found <= set(read("exceptions"))


@pytest.mark.parametrize("module", EXCEPTION_MODULES)
def test_public_exceptions_of_installed_packages_are_members(module: str) -> None:
    top = module.partition(".")[0]
    found = {
        shown(value)
        for name, value in vars(importlib.import_module(module)).items()
        if isinstance(value, type)
        and issubclass(value, BaseException)
        and not name.startswith("_")
        and value.__module__.partition(".")[0] == top
    }
    missing = sorted(found - set(read("exceptions")))
    assert found
    assert not missing, f"run `{REFRESH} exceptions`: {missing}"


def test_packages_has_no_likely_file_of_a_user() -> None:
    assert not set(LIKELY_USER_FILES.split()) & set(read("packages"))


def test_packages_are_top_level_import_names() -> None:
    packages = read("packages")
    assert all(name.isidentifier() for name in packages)
    assert {"numpy", "sklearn", "cv2", "PIL", "bs4", "yaml", "json"} <= set(packages)


@pytest.mark.parametrize("name", NAMES)
class TestClosedSet:
    @given(value=st.text() | st.none() | st.integers() | st.binary())
    def test_finds_a_member_or_nothing(self, name: str, value: object) -> None:
        vocabulary = Vocabulary(name)
        found = vocabulary.find(value)
        assert found is None or (found in vocabulary.members and found == value)
        assert vocabulary.member(value) in vocabulary.members

    def test_gives_its_own_object(self, name: str) -> None:
        vocabulary = Vocabulary(name)
        own = {member: member for member in vocabulary.members}
        for member in read(name):
            copy = "".join([*member])
            assert vocabulary.find(copy) is own[member]

    def test_never_compares_what_is_not_a_plain_string(self, name: str) -> None:
        class Hostile(str):
            __slots__ = ()

            def __eq__(self, other: object) -> bool:
                raise AssertionError("compared")

            def __hash__(self) -> int:
                raise AssertionError("hashed")

        vocabulary = Vocabulary(name)
        assert vocabulary.find(Hostile(read(name)[0])) is None
        assert vocabulary.member(Hostile(read(name)[0])) == OTHER


def test_no_model_is_about_a_person() -> None:
    assert [model for model in read("models") if is_about_a_person(model)] == []
    assert [model for model in read("models") if is_template(model)] == []
    assert [name for name in public_names.models() if is_about_a_person(name)] == []


@pytest.mark.parametrize(
    ("model", "private"),
    [
        ("undi95/toppy-m-7b", True),
        ("Sao10K/L3-8B-Stheno-v3.2", True),
        ("dolphin3.0-mistral-24b:free", True),
        ("acme/some-model-uncensored", True),
        ("aion-labs/aion-rp-llama-3.1-8b", True),
        ("aion-labs/aion-1.0", False),
        ("nousresearch/hermes-4-70b", False),
        ("gpt-4o", False),
    ],
)
def test_private_authors_and_sexual_themes_are_told_from_public_models(
    model: str, private: bool
) -> None:
    assert is_about_a_person(model) is private


def test_the_tables_of_public_names_are_not_stale() -> None:
    checked = subprocess.run(
        [sys.executable, "scripts/model_table.py", "--check"],
        cwd=FOLDER.parents[2],
        capture_output=True,
        text=True,
    )
    assert (checked.returncode, checked.stdout) == (0, ""), checked


def test_every_model_has_a_public_source() -> None:
    sources = prices.models() | listed.models() | published.models()
    assert set(read("models")) - {OTHER} == sources
    assert not parse(text("models")).kept.members
    assert published.names("families") == {*FAMILIES.words}
    assert published.names("older") == set(OLD_IDS)


def test_what_is_published_names_an_address() -> None:
    found = list(published.sections())
    assert {section.kind for section in found} == published.KINDS
    for section in found:
        assert re.fullmatch(
            r"https://(pypi\.org/project|raw\.githubusercontent\.com)/\S+", section[1]
        )
        assert section.names == sorted(set(section.names))
    names = [name for section in found for name in section.names]
    assert len(names) == len(set(names))
    with pytest.raises(ValueError, match="where is it public"):
        list(published.sections("# a comment\ngpt-nowhere\n"))
    with pytest.raises(ValueError, match="no kind"):
        list(published.sections("## rumours https://example.org/\n"))


def test_what_an_installed_release_publishes_is_in_it() -> None:
    installed = f"https://pypi.org/project/litellm/{version('litellm')}/"
    (section,) = [each for each in published.sections() if each[:2] == ("models", installed)]
    names = "\n".join(listed.litellm())
    assert missing(section, names) == []
    assert missing(section._replace(names=["gpt-nowhere"]), names) == ["gpt-nowhere"]


def test_edit_formats_are_exactly_these() -> None:
    assert set(read("edit_formats")) == set(
        "architect ask context diff diff-fenced editor-diff editor-diff-fenced editor-whole help "
        "patch udiff udiff-simple whole code html image json markdown math md text".split()
    )


def test_the_package_does_not_load_the_refresher() -> None:
    program = (
        "import sys, dev_analytics, dev_analytics.catalogue.vocabulary;"
        "print([name for name in sys.modules if name.startswith('dev_analytics.catalogue.reg')])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"
