"""The documents name what the code has, and every link in them leads somewhere."""

from __future__ import annotations

import json
import re
from datetime import date
from importlib.metadata import metadata
from pathlib import Path
from typing import get_args

import pytest
from documents import documents

from dev_analytics import NOTICE, RELEASES, __version__
from dev_analytics.analytics import Analytics
from dev_analytics.apps import arguments, dev
from dev_analytics.apps.autoload import Place
from dev_analytics.apps.magics import WORDS
from dev_analytics.catalogue import common
from dev_analytics.catalogue.events import EVENTS, FRONTENDS, properties
from dev_analytics.catalogue.fields import Event, fields
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.config import DevAnalytics
from dev_analytics.consent.asking import prompt, question
from dev_analytics.consent.asking.notebook import MAX_CELLS, READ_SECONDS
from dev_analytics.consent.decision import PAUSES, VARIABLES
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery, ledger, notes, pending
from dev_analytics.delivery.turns import lock_file
from dev_analytics.destinations import archive_file, destinations
from dev_analytics.destinations.damaged_archive import damaged, put_aside
from dev_analytics.pipeline import MAX_PREVIEWED
from dev_analytics.process.entry import FAILED
from dev_analytics.reasons import Drop
from dev_analytics.tools.checks import MAX_WORDS
from dev_analytics.tools.declaration import MAX_WORDS_OF_A_TOOL
from dev_analytics.tools.information import MAX_BITS
from dev_analytics.views.preview import MAX_SHOWN

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    *("README.md", "PRIVACY.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
)


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


README, PRIVACY, CHANGELOG, CONTRIBUTING = map(page, [*DOCUMENTS[:4]])
ADMINISTRATORS, ARCHITECTURE = page("docs/administrators.md"), page("docs/architecture.md")
COMMANDS, SETTINGS, CONSENT = map(page, ["docs/commands.md", "docs/settings.md", "docs/consent.md"])
DELIVERY = page("docs/delivery.md")


def source() -> str:
    return "\n".join(
        path.read_text("utf-8") for path in sorted((ROOT / "dev_analytics").rglob("*.py"))
    )


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_magic_is_explained(word: str) -> None:
    assert f"| `%dev_analytics {word}" in COMMANDS or f", `%dev_analytics {word}`" in COMMANDS
    assert f"`{word}`" in CHANGELOG


@pytest.mark.parametrize("word", arguments.WORDS)
def test_every_word_of_the_shell_s_command_is_explained(word: str) -> None:
    assert f"`jupyter dev-analytics {word}" in COMMANDS
    assert f"`{word}`" in CHANGELOG


@pytest.mark.parametrize("flag", re.findall(r"^--[a-z-]+", dev.HELP, re.MULTILINE))
def test_every_flag_of_dev_is_explained(flag: str) -> None:
    assert f"| `dev {flag}" in COMMANDS
    assert f"`{flag}`" in CHANGELOG


def test_the_administrators_page_explains_the_policy_and_every_place() -> None:
    settings = [each.name for one in destinations().values() for each in one.settings]
    for name in ("analytics", *settings):
        assert f"| `{name}` |" in ADMINISTRATORS
    for place in Place:
        assert f"| `{place.value}` |" in ADMINISTRATORS


@pytest.mark.parametrize("setting", DevAnalytics.class_trait_names(config=True))
def test_every_setting_is_explained(setting: str) -> None:
    assert f"| `c.DevAnalytics.{setting}` |" in SETTINGS


def test_every_variable_is_explained() -> None:
    used = {*re.findall(r'"(DEV_ANALYTICS\w*)"', source()), *VARIABLES.values()}
    assert used >= {"DEV_ANALYTICS", "DEV_ANALYTICS_LOG", "DEV_ANALYTICS_DIR", "DO_NOT_TRACK", "CI"}
    explained = set(re.findall(r"^\|[^|]*\| `([A-Z_]+)` \|", SETTINGS, re.MULTILINE))
    assert explained == used


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_every_event_and_property_stands_in_the_table(event: type[Event]) -> None:
    wire = {field.name: field.wire for field in fields(event)}
    why = event.why
    rows = [f"| **`{event.wire}`** | | {event.__doc__} | {why.event} | |"] + [
        f"| | `{wire[name]}` | {kind.meaning} | {why.properties[name]} | {kind.title} |"
        for name, kind in properties(event).items()
    ]
    assert "\n".join(rows) + "\n" in PRIVACY


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_the_page_of_events_says_all_of_each_property(event: type[Event]) -> None:
    section = page("docs/events.md").partition(f"\n## {event.wire}\n")[2].partition("\n## ")[0]
    assert f"{event.__doc__} **Why:** {event.why.event}\n\nSince notice {event.since}." in section
    wire = {field.name: field.wire for field in fields(event)}
    found = re.search(r"```json\n(.+)\n```", section)
    assert found
    shown = json.loads(found[1])["properties"]
    for name, kind in properties(event).items():
        said = [f"`{wire[name]}`", kind.meaning, kind.allowed, kind.unit]
        said += [event.why.properties[name], str(kind.since)]
        row = f"| {' | '.join(said)} | `{json.dumps(shown[wire[name]])}` |"
        assert row.replace("|  |", "| |") in section


def test_the_documents_are_those_of_the_catalogue() -> None:
    """Run ``make documents`` if this fails."""
    made = documents(ROOT)
    for path, content in made.items():
        assert path.read_bytes() == content, f"{path.name} is stale: make documents"
    assert set((ROOT / "docs/schemas").iterdir()) <= set(made), "make documents"


def test_every_common_field_stands_in_the_table() -> None:
    named = set(re.findall(r"`([^`]+)`", PRIVACY))
    assert common.RECORD.keys() <= named
    for event in EVENTS.values():
        assert {field.wire for field in fields(event)} <= named


def test_the_tables_name_nothing_that_does_not_exist() -> None:
    table = PRIVACY.partition("## What is collected")[2].partition("## What is never")[0]
    first_cells = re.findall(r"^\|(?: \|)? ((?:\*{0,2}`[^`]+`\*{0,2}(?:, )?)+) \|", table, re.M)
    named = {name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)}
    there = {event.wire for event in EVENTS.values()}
    for event in EVENTS.values():
        there |= {field.wire for field in fields(event)}
    assert named == there | common.RECORD.keys()


def test_the_record_in_the_readme_is_one_of_today(analytics: Analytics) -> None:
    shown = re.search(r"```json\n(.+)\n```", README)
    assert shown
    analytics.gate.store.agree(NOTICE, date.today())
    analytics.event("cell_executed", outcome="ok", duration_ms=10)
    assert shape(shown[1]) == shape(analytics.pipeline.preview[-1].record.decode())


def shape(record: str) -> str:
    """Put one word for every identifier and time, and one for every number that may differ."""
    record = re.sub(r'"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"', "identifier", record)
    record = re.sub(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"', "time", record)
    return re.sub(r'"(seq|duration_ms)": \d+', r'"\1": number', record)


def test_versions_question_and_contact() -> None:
    assert f"notice {NOTICE}," in PRIVACY
    assert re.search(rf"version\s{re.escape(__version__)}\b", PRIVACY)
    assert f"## [{__version__}]" in CHANGELOG
    assert set(re.findall(r"^## \[([0-9].*?)\]", CHANGELOG, re.MULTILINE)) == RELEASES
    assert f"{question.FIRST.lines}\n{question.FIRST.prompt.rstrip()}\n" in README
    for document in (README, PRIVACY):
        assert "privacy@dev.chat" in document
        assert question.MORE_INFO in document


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_local_link_leads_somewhere(name: str) -> None:
    text = page(name)
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text)
    links += [(picture, "") for picture in re.findall(r'src(?:set)?="([^"]+)"', text)]
    for path, anchor in links:
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_every_picture_is_small_shown_and_described() -> None:
    """Run ``make images`` for another: it takes no more colours than it needs."""
    pictures = set((ROOT / "docs/images").glob("*.png"))
    assert all(picture.stat().st_size < 60_000 for picture in pictures)
    assert sum(picture.stat().st_size for picture in pictures) < 350_000
    shown = set()
    for name in DOCUMENTS:
        text, folder = page(name), (ROOT / name).parent
        shown |= {folder / path for path in re.findall(r'[("]([^()"\s]+\.png)[)"]', text)}
        for dark, alt, light in re.findall(_PICTURE, text):
            assert dark.removesuffix("-dark.png") == light.removesuffix("-light.png"), name
            assert len(alt) > 40, light
        assert len(re.findall(_PICTURE, text)) == text.count("<picture>")
    # What a document only links to is there for the other theme too.
    both = {Path(str(path).replace(*pair)) for path in shown for pair in _THEMES}
    assert pictures == {path.resolve() for path in shown | both}


_THEMES = (("-light.png", "-dark.png"), ("-dark.png", "-light.png"))
_PICTURE = (
    r'<picture>\n  <source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)">\n'
    r'  <img alt="([^"]+)" src="([^"]+)">\n</picture>'
)


def test_every_target_of_make_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    assert targets == set(re.findall(r"^make ([a-z]+) ", CONTRIBUTING, re.MULTILINE)) | {"help"}


def test_every_target_and_file_that_a_workflow_runs_exists() -> None:
    workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
    steps = re.findall(r"^ +- run: (.+)$", "\n".join(map(_text, workflows)), re.MULTILINE)
    made = {target for step in steps for target in re.findall(r"\bmake ([\w-]+)", step)}
    assert made == {"check", "test", "dist"}
    assert made <= set(re.findall(r"^([a-z]+):.*## ", page("Makefile"), re.MULTILINE))
    named = {name for step in steps for name in re.findall(r"[\w\\/]+\.(?:txt|py|\*)", step)}
    assert {"constraints.txt", "tests/windows/checks.py"} <= named
    named |= {line for line in page("tests/windows/tests.txt").split() if "=" not in line}
    for name in named:
        assert list(ROOT.glob(name.replace("\\", "/"))), name


def test_the_tests_run_on_every_python_that_is_promised() -> None:
    ((first, last),) = re.findall(
        r"^(3\.\d+) to (3\.\d+)\.", page("docs/front-ends.md"), re.MULTILINE
    )
    minors = range(int(first[2:]), int(last[2:]) + 1)
    run = re.findall(r"^        python: (\[.+\])$", page(".github/workflows/ci.yml"), re.MULTILINE)
    tests, windows = map(json.loads, run)
    assert tests == [f"3.{minor}" for minor in minors]
    assert windows == [first, last]


def test_each_front_end_that_can_be_recorded_is_in_the_table() -> None:
    table = re.findall(r"^\|.*\|.*\|.*\| (`[^|]+`) \|$", page("docs/front-ends.md"), re.MULTILINE)
    recorded = [word for cell in table for word in re.findall(r"`([^`]+)`", cell)]
    assert sorted(recorded) == sorted(FRONTENDS.members - {OTHER})


def _text(path: Path) -> str:
    return path.read_text("utf-8")


def test_every_named_place_in_the_package_exists() -> None:
    development = section(ARCHITECTURE, "Which folder holds what")
    rows = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|", development, re.MULTILINE)
    places = [place for row in rows for place in re.findall(r"`([^`]+)`", row)]
    assert len(places) > 10
    for place in places:
        assert (ROOT / "dev_analytics" / place).exists(), place


def test_every_place_that_the_architecture_names_exists() -> None:
    places = set(re.findall(r"`([\w/-]+(?:\.py|/)|tests/\w+)`", ARCHITECTURE))
    assert len(places) > 30
    missing = {place for place in places if not place_of(place).exists()}
    assert missing == set()
    for name in re.findall(r"`([A-Z_]{3,})`", ARCHITECTURE):
        assert re.search(rf"^{name}\b", everything_in_python(), re.M), name


def place_of(place: str) -> Path:
    own = place.split("/")[0] in ("tests", "docs", "scripts", "dev_analytics")
    return (ROOT if own else ROOT / "dev_analytics") / place


def everything_in_python() -> str:
    return source() + (ROOT / "tests/test_architecture.py").read_text("utf-8")


def test_every_document_is_linked_from_the_readme() -> None:
    shown = {path for path in ROOT.glob("docs/*") if path.suffix in (".md", ".json", ".jsonl")}
    shown |= {path for path in ROOT.glob("*.md") if path.name != "README.md"}
    for path in shown:
        assert f"]({path.relative_to(ROOT).as_posix()})" in README, path


def test_the_privacy_page_answers_what_people_ask() -> None:
    asked = ["What is collected", "When", "Where it goes", "How long it is kept", "How to stop"]
    asked += ["How to be forgotten", "Who is responsible", "Your rights", "Who to ask"]
    headings = re.findall(r"^## (.+)$", PRIVACY, re.MULTILINE)
    assert [heading for heading in headings if heading in asked] == asked
    goes = flat(section(PRIVACY, "Where it goes"))
    for said in ("network address (IP) reaches PostHog", '"Discard client IP data"', "HTTPS"):
        assert said in goes


def flat(text: str) -> str:
    """Return a text without its line ends, as a sentence may stand on two lines."""
    return " ".join(text.split())


def section(document: str, heading: str) -> str:
    assert f"\n## {heading}\n" in document
    return document.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_the_page_on_delivery_names_every_reason_for_a_drop() -> None:
    reasons = flat(section(DELIVERY, "Where records go")).partition("was dropped and why:")[2]
    for drop in get_args(Drop):
        for part in drop.removeprefix("refused by PostHog: ").split(": "):
            assert part in reasons, drop


def test_the_page_on_delivery_names_every_file_of_the_data_directory(data: Path) -> None:
    told = section(DELIVERY, "Where the data is")
    store = ConsentStore(data)
    store.agree(NOTICE, date.today())
    (data / archive_file.NAME).touch()
    put_aside(data / archive_file.NAME)
    named = {
        archive_file.NAME,
        ledger.NAME,
        notes.LOG,
        notes.QUARANTINE,
        "consent.lock",
        "ledger.lock",
    }
    named |= {lock_file(data, "archive").name, "ledger.held", FAILED}
    pending.put(data, pending.Change())
    named |= {re.sub("[0-9a-f]{24}", "…", name) for name in pending.waiting(data)}
    named |= {lock_file(data, "7d2290b3").name.replace("7d2290b3", "…")}
    named |= {re.sub(r"\d{4}-\d\d-\d\d", "DAY", file.name) for file in damaged(data)}
    files = (store.file, store.marker, store.tools_file, store.epoch_file)
    for path in (*files, store.folder / "off.TOOL"):
        named.add(path.relative_to(data).as_posix())
    rows = "\n".join(re.findall(r"^\| (`.+?) \|", told, re.MULTILINE))
    told_of = set(re.findall(r"`([^`]+)`", rows)) | {"ledger.held"}
    assert told_of == named | {"spool/"}
    assert "`ledger.held`" in told


def test_an_opt_out_leaves_what_the_page_on_delivery_says(analytics: Analytics) -> None:
    store, data = analytics.gate.store, analytics.data
    store.agree(NOTICE, date.today())
    store.switch_off("acme")
    kept = {"consent/opted-out", "consent/off.acme", notes.LOG, "sender.lock", "consent.lock"}
    gone = {
        archive_file.NAME,
        ledger.NAME,
        f"ledger-{'0' * 24}.json",
        f"{archive_file.NAME}.damaged-2026-11-22",
    }
    for name in {notes.LOG, "sender.lock", *gone}:
        (data / name).touch()
    (data / notes.QUARANTINE).write_text('{"event": "launched"}\n')
    store.opt_out()
    left = {path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()}
    assert left == kept
    for marker in ("consent/opted-out", "consent/off.acme"):
        assert (data / marker).read_text().endswith(".\n"), "one sentence"


def test_the_numbers_of_the_documents_are_those_of_the_code() -> None:
    first, second = PAUSES
    for document in (CONSENT, PRIVACY):
        assert f"by itself after {first} days, then after {second}, and then never" in flat(
            document
        )
    for document in (README, PRIVACY):
        assert f"the newest {MAX_PREVIEWED:,} records" in flat(document)
    kept = section(PRIVACY, "How long it is kept")
    spool = f"| {Delivery.max_days:.0f} days and {Delivery.max_mib:.0f} MiB at most"
    assert spool in kept
    assert f"| the newest {archive_file.MAX_ROWS:,} records" in kept
    assert f"| {notes.QUARANTINE_BYTES // 2**20} MiB at most" in kept
    assert f"| {notes.LOG_BYTES // 2**10} KiB at most" in kept
    assert f"{Delivery.max_mib:.0f} MiB of waiting records" in flat(ADMINISTRATORS)
    assert f"none older than {Delivery.max_days:.0f} days" in flat(ADMINISTRATORS)
    assert f"({MAX_SHOWN} in a notebook)" in COMMANDS
    assert (MAX_SHOWN, READ_SECONDS, MAX_CELLS) == (100, 30, 5)
    assert "disappears after half a minute and five more cells" in flat(CONSENT)
    assert (prompt.READING_SECONDS, prompt.MAX_DOUBTFUL) == (1, 3)
    assert "three of these are no answer" in flat(CONSENT)
    tools = flat(section(PRIVACY, "Other tools"))
    assert f"at most {MAX_WORDS} words in a list and {MAX_WORDS_OF_A_TOOL} in all" in tools
    assert f"at most {MAX_BITS} bits in a record" in tools


@pytest.mark.parametrize("setting", DevAnalytics.class_trait_names(config=True))
def test_the_page_on_settings_tells_each_default(setting: str) -> None:
    row = next(row for row in SETTINGS.splitlines() if f"`c.DevAnalytics.{setting}`" in row)
    default = getattr(DevAnalytics(), setting)
    if default:
        told = f"{default:.0f}" if isinstance(default, float) else f"`{default}`"
        assert f"{told} if not set" in row


def test_the_privacy_page_says_what_the_law_expects() -> None:
    privacy = flat(PRIVACY)
    for said in (
        *("pseudonymous", "Art. 6(1)(a)", "ePrivacy Directive", "Art. 11", "Art. 77", "Art. 8"),
        *("controller", "processor", "third country", "Withdraw", "access, portability"),
        *("To be filled in by whoever ships this with a project key", "no decision about you"),
        *("$sent_at", "restored from a backup", "one running kernel"),
    ):
        assert said in privacy, said


def test_no_document_promises_what_the_code_does_not_keep() -> None:
    """What once stood in them, and was false or too strong."""
    for name in DOCUMENTS:
        text = flat(page(name))
        for said in (
            *("nothing is written before a yes", "Only your user can read it", "read every record"),
            *("deletes all of it", "Nobody is taken to agree", "nothing here leads to what"),
            *("counts for nothing", "only its owner can read it", "name and version of PostHog"),
        ):
            assert said not in text, (name, said)


def test_the_licence_is_the_whole_apache_licence() -> None:
    licence = (ROOT / "LICENSE").read_text("utf-8")
    assert "Version 2.0, January 2004" in licence
    for section in range(1, 10):
        assert re.search(rf"^   {section}\. [A-Z]", licence, re.MULTILINE)
    assert "END OF TERMS AND CONDITIONS" in licence
    assert "APPENDIX: How to apply the Apache License to your work." in licence


def test_each_source_of_a_word_list_stands_in_the_page_on_licences() -> None:
    """With the licence that its installed distribution says."""
    rows = dict(
        re.findall(r"^\| \[([\w-]+)\].*\| ([^|]+) \|$", page("docs/licences.md"), re.MULTILINE)
    )
    heads = "\n".join(
        line
        for folder in ("vocabularies", "tables")
        for file in (ROOT / "dev_analytics" / "catalogue" / folder).glob("*.txt")
        for line in file.read_text("utf-8").partition("the wheels of")[0].splitlines()
        if line.startswith("#")
    )
    named = {name for name in re.findall(r"([\w-]+) \d+\.\d+\.\d+", heads) if name != "mypy"}
    assert named | {"typeshed"} == set(rows)
    for name in named:
        about = metadata(name)
        assert rows[name] in (about["License-Expression"], about["License"]), name
