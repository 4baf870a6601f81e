"""What each kind of value in `dev_analytics.catalogue.values` offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from dev_analytics.catalogue.vocabulary import Vocabulary


class Kind(Protocol):
    """What a property declares beside its type."""

    title: ClassVar[str]
    """The kind in a few words."""

    @property
    def meaning(self) -> str:
        """What the property says, for the documents."""

    @property
    def since(self) -> int:
        """The notice that first names it."""

    @property
    def vocabularies(self) -> tuple[Vocabulary, ...]:
        """The vocabularies that its words are members of."""

    @property
    def unit(self) -> str:
        """The unit of its numbers; empty if they have none."""

    @property
    def size(self) -> int:
        """How many different values it can have."""

    @property
    def everyday_size(self) -> int:
        """How many different values it has in everyday use."""

    @property
    def allowed(self) -> str:
        """Which values it can have, in words."""

    @property
    def schema(self) -> Mapping[str, object]:
        """Which values it can have, as a JSON Schema."""

    @property
    def typical(self) -> object:
        """What may be given for it, for an example."""

    def accept(self, value: object) -> object:
        """Return what may leave for `value`.

        Raises
        ------
        RefusedValueError
            `value` is of another kind.
        """
