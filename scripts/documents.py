"""Make the documents that come from the catalogue: ``python scripts/documents.py``.

These are ``docs/events.md``, a JSON Schema for each event, the tables of ``PRIVACY.md``, and
``docs/notices.json``, which is only ever added to. Run by ``make documents`` in a checkout.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Raw, Struct, json
from notices import ChangedNoticeError, Notice, kept

from dev_analytics import NOTICE
from dev_analytics.catalogue import common
from dev_analytics.catalogue.events import EVENTS
from dev_analytics.catalogue.examples import example
from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.information import EVERYDAY, everyday_bits, possible_bits
from dev_analytics.catalogue.meanings import declared, reasons, sentence
from dev_analytics.catalogue.schema import pretty, schema
from dev_analytics.catalogue.vocabulary import FOLDER, Vocabulary, origin

ROOT: Final = Path(__file__).parents[1]
NOTICES: Final = "docs/notices.json"
SCHEMAS: Final = "docs/schemas"
BEGIN, END = "<!-- made by make documents -->", "<!-- until here -->"

_HEAD: Final = f"""\
# Every event

Made from the catalogue (`dev_analytics/catalogue/events.py`) by `make documents`; do not edit it.
These are all the events and properties that there are, as of notice {NOTICE}. A yes holds for what
a notice tells; what a later one adds is withheld until you agree to that too.
[notices.json](notices.json) keeps what each notice told. `%dev_analytics schema` shows the same in
a notebook, and [schemas](schemas) has a JSON Schema (draft 2020-12) of each event's record.

A *word* is a member of a [vocabulary](#vocabularies) that the package ships; what is no member
becomes `other`. A property that is not known is left out. [Every record](#every-record) has some
fields beside its event's own.
"""


class _Example(Struct):
    properties: dict[str, Raw]


def documents(root: Path) -> dict[Path, bytes]:
    """Return the content of every document below `root`, by its path.

    Raises
    ------
    ChangedNoticeError
        A notice that people agreed to would change.
    """
    notices, privacy = root / NOTICES, root / "PRIVACY.md"
    before = json.decode(notices.read_bytes(), type=dict[str, Notice]) if notices.exists() else {}
    return {
        notices: pretty(kept(before)),
        root / "docs/events.md": "\n".join(_events()).encode(),
        privacy: between(privacy.read_text("utf-8"), _privacy()).encode(),
        **{root / SCHEMAS / f"{name}.json": pretty(schema(EVENTS[name])) for name in EVENTS},
    }


def main(root: Path = ROOT) -> None:
    """Write the documents, and delete the schemas of events that no longer exist."""
    try:
        made = documents(root)
    except ChangedNoticeError as error:
        sys.exit(str(error))
    for path in set((root / SCHEMAS).glob("*")) - set(made):
        path.unlink()
    for path, content in made.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def _events() -> Iterator[str]:
    yield _HEAD
    for name, event in EVENTS.items():
        yield f"## {event.wire}\n"
        yield f"{sentence(event)} **Why:** {event.why.event}\n"
        by = f'`Analytics.event("{name}")`'
        yield f"Since notice {event.since}. {by}, [schema](schemas/{name}.json).\n"
        yield from table(_properties(event))
        yield f"\n```json\n{example(event).decode()}\n```\n"
    yield "## Every record\n"
    every = [*common.RECORD.items(), *common.PROPERTIES.items()]
    rows = [(f"`{name}`", field.meaning, field.why) for name, field in every]
    yield from table([("field", "what it says", "why"), *rows])
    yield (
        "\nTimes are whole seconds, durations have two significant digits and counts three, so "
        "that they are no fingerprint. Sums of many stay right within half a percent.\n"
    )
    yield "## How much an event can say\n"
    yield (
        "In bits: the logarithm of how many different payloads there can be, and of how many there "
        f"are in everyday use ({EVERYDAY}).\n"
    )
    rows = [("event", "possible", "everyday")]
    for event in EVENTS.values():
        possible, everyday = round(possible_bits(event)), round(everyday_bits(event))
        rows.append((f"`{event.wire}`", str(possible), str(everyday)))
    yield from table(rows)
    yield ""
    yield "## Vocabularies\n"
    yield "Every word that can stand in a record, beside `other`, stands in one of these.\n"
    yield from table([("vocabulary", "words", "which"), *map(_vocabulary, _all_vocabularies())])
    yield ""


def _properties(event: type[Event]) -> Iterator[tuple[str, ...]]:
    yield "property", "what it says", "values", "unit", "why", "since", "example"
    why, shown = reasons(event), json.decode(example(event), type=_Example).properties
    for wire, kind in declared(event).items():
        yield (
            f"`{wire}`",
            kind.meaning,
            kind.allowed,
            kind.unit,
            why[wire],
            str(kind.since),
            f"`{bytes(shown[wire]).decode()}`",
        )


def _all_vocabularies() -> Iterable[Vocabulary]:
    kinds = (kind for event in EVENTS.values() for kind in declared(event).values())
    return {each.name: each for kind in kinds for each in kind.vocabularies}.values()


def _vocabulary(vocabulary: Vocabulary) -> tuple[str, ...]:
    file = FOLDER / f"{vocabulary.name}.txt"
    number = str(len(vocabulary.words))
    if not file.exists():
        return vocabulary.name, number, ", ".join(f"`{word}`" for word in vocabulary.words)
    link = f"../{file.relative_to(ROOT).as_posix()}"
    return f"[{vocabulary.name}]({link})", number, origin(vocabulary.name)


def _privacy() -> Iterator[str]:
    rows = [("event", "property", "what it says", "why", "kind")]
    for event in EVENTS.values():
        rows.append((f"**`{event.wire}`**", "", sentence(event), event.why.event, ""))
        why = reasons(event)
        for name, kind in declared(event).items():
            rows.append(("", f"`{name}`", kind.meaning, why[name], kind.title))
    yield from table(rows)
    yield "\nEvery record also has these fields:\n"
    every = [*common.RECORD.items(), *common.PROPERTIES.items()]
    fields = [(f"`{name}`", field.meaning, field.why) for name, field in every]
    yield from table([("field", "what it says", "why"), *fields])


def table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Return the lines of a table in Markdown; the first row is its head."""
    for number, row in enumerate(rows):
        yield f"| {' | '.join(row)} |".replace("|  |", "| |")
        if number == 0:
            yield f"|{'---|' * len(row)}"


def between(text: str, lines: Iterable[str]) -> str:
    """Return `text` with `lines` between the two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([f"{before}{BEGIN}", "", *lines, "", f"{END}{after}"])


if __name__ == "__main__":
    main()
