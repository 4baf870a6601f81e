"""A tool's declaration: its name, its notice and its events, which are declared like the core's.

It is checked whenever a `Tool` is created: what users read of it, how much there is, and each event
(`dev_analytics.tools.checks`). It is checked again for the sealed copy that is used
(`dev_analytics.tools.sealing`).
"""

from __future__ import annotations

from typing import Final, NoReturn

from msgspec import Struct

from dev_analytics.catalogue.events import EVENTS, properties
from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.tools.checks import NAME, TEXT, DeclarationError, check_event
from dev_analytics.tools.information import MAX_BITS, bits
from dev_analytics.tools.wording import foreign_name, improper, is_text, is_title, shown

MAX_EVENTS: Final = 50
MAX_WORDS_OF_A_TOOL: Final = 256
MAX_TERMS: Final = 1000
"""How many words all properties may have together, as the words that a yes covers are stored."""

MAX_NOTICE: Final = 1000
RESERVED: Final = frozenset({"dev", "dev_analytics", "ipython", "jupyter", "other", "posthog"})


class Tool(Struct, frozen=True):
    """Another tool with events of its own.

    Parameters
    ----------
    name
        Its name in ``event("name.…")``, in commands and in records; also its entry point's name.
    title
        Its name as users know it.
    about
        Why its makers collect the events, in one sentence that users read before they answer.
    events
        Its events, classes as in `dev_analytics.catalogue.events`. ``wire`` begins with the tool's
        name: ``"acme: chart made"`` is recorded by ``event("acme.chart_made")``.
    notice
        The highest ``since`` of its events and properties: the version that a yes accepts.

    Raises
    ------
    DeclarationError
        Something in it is open, is not explained, or claims to be somebody else's.
    """

    name: str
    title: str
    about: str
    events: tuple[type[Event], ...]
    notice: int = 1

    def __post_init__(self) -> None:
        if type(self.name) is not str or not NAME.fullmatch(self.name):
            raise DeclarationError(
                f"a tool's name must be 2 to 30 lower-case letters, digits and _, a letter first, "
                f"got {shown(self.name)}"
            )
        if self.name in RESERVED or self.name in EVENTS:
            raise DeclarationError(f"tool {self.name!r}: that name is reserved for dev_analytics")
        if other := foreign_name(self.name):
            self._refuse(f"its name speaks as {other}, which is not its own")
        self._check_title()
        self._check_text("about", self.about)
        if type(self.notice) is not int or not 1 <= self.notice <= MAX_NOTICE:
            self._refuse(f"notice must be from 1 to {MAX_NOTICE}, got {shown(self.notice)}")
        if type(self.events) is not tuple or not 0 < len(self.events) <= MAX_EVENTS:
            self._refuse(f"events must be a tuple of 1 to {MAX_EVENTS} event classes")
        seen: set[str] = set()
        for event in self.events:
            check_event(event, self.name, self.notice)
            if event.wire in seen:
                self._refuse(f"event {event.wire!r} is declared twice")
            seen.add(event.wire)
        self._check_words()
        self._check_information()
        highest = max(
            max([event.since, *(kind.since for kind in properties(event).values())])
            for event in self.events
        )
        if highest != self.notice:
            self._refuse(f"notice is {self.notice}, but the highest since is {highest}")

    @property
    def by_name(self) -> dict[str, type[Event]]:
        """Its events, by the names that ``event`` takes."""
        return {event_name(event.wire): event for event in self.events}

    def _check_title(self) -> None:
        if not is_title(self.title):
            self._refuse(
                f"title is {shown(self.title)}, allowed are up to four words of letters and "
                "digits, 30 in all"
            )
        if fault := improper(self.title):
            self._refuse(f"title is {self.title!r}, which {fault}")

    def _check_text(self, what: str, text: str) -> None:
        if not is_text(text):
            self._refuse(f"{what} must be {TEXT}, got {shown(text)}")
        if other := foreign_name(text):
            self._refuse(f"{what} speaks of {other}, which is not the tool's to do")

    def _check_words(self) -> None:
        """Refuse too many words, and lists with the same name: a schema would show only one."""
        lists: dict[str, frozenset[str]] = {}
        terms = 0
        for event in self.events:
            for kind in properties(event).values():
                for each in kind.vocabularies:
                    terms += len(each.members)
                    if lists.setdefault(each.name, each.members) != each.members:
                        self._refuse(f"two vocabularies are called {each.name!r}")
        number = len(frozenset().union(*lists.values()) - {OTHER})
        if number > MAX_WORDS_OF_A_TOOL:
            self._refuse(f"it has {number} words in all, allowed are {MAX_WORDS_OF_A_TOOL}")
        if terms > MAX_TERMS:
            self._refuse(f"its properties have {terms} words together, allowed are {MAX_TERMS}")

    def _check_information(self) -> None:
        for event in self.events:
            number = bits(event, len(self.events))
            if number > MAX_BITS:
                self._refuse(
                    f"event {event.wire!r} can say {number:.0f} bits, allowed are {MAX_BITS}: "
                    "declare fewer properties, fewer words or a lower most"
                )

    def _refuse(self, why: str) -> NoReturn:
        raise DeclarationError(f"tool {self.name!r}: {why}")


def event_name(wire: str) -> str:
    """Return the name by which ``event`` takes the event that is called `wire` in records."""
    return wire.replace(": ", ".").replace(" ", "_")


def tool_of(wire: str) -> str:
    """Return the name of the tool with an event called `wire` in records; empty for the core."""
    tool, colon, _ = wire.partition(": ")
    return tool if colon else ""
