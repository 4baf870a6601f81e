"""Which source each vocabulary has."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Final

import sdk_table

from vocabularies import listed, magics, prices, published, stdlib, wheels

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vocabularies.sections import Parts


@dataclass(frozen=True)
class Source:
    """Where a vocabulary's generated section comes from.

    Parameters
    ----------
    refreshed
        Gives the file with that section anew; may fetch into the folder it is given.
    offline
        Gives the members that are known without a network.
    described
        Names the source with its version, if all of the section is known without a network.
    """

    refreshed: Callable[[Parts, Path], Parts]
    offline: Callable[[], set[str]]
    described: Callable[[], str] | None = None

    def findings(self, parts: Parts) -> list[str]:
        """Return how the file differs from what is known without a network.

        What the file has beyond its source counts only where both are of the same version.
        """
        known = self.offline()
        found = [f"lacks {member}" for member in sorted(known - parts.members)]
        if self.described and parts.generated.comments == _marker(self.described()):
            extra = sorted(set(parts.generated.members) - known)
            found += [f"has {member}, which its source lacks" for member in extra]
        return found


def _known(described: Callable[[], str], members: Callable[[], set[str]]) -> Source:
    return Source(
        lambda parts, _: parts.refreshed(_marker(described()), members()), members, described
    )


def _marker(source: str) -> list[str]:
    first, *others = wrap(f"from {source}", 98, break_long_words=False, break_on_hyphens=False)
    return [f"# {first}", *(f"#   {other}" for other in others)]


def _exceptions(parts: Parts, cache: Path) -> Parts:
    fetched = wheels.fetch(cache)
    source = f"{stdlib.described()} and the wheels of {wheels.described(fetched)}"
    members = stdlib.exceptions() | wheels.exceptions(fetched)
    return parts.refreshed(_marker(source), members)


SOURCES: Final = {
    "line_magics": _known(magics.described, lambda: set(magics.registered()["line"])),
    "cell_magics": _known(magics.described, lambda: set(magics.registered()["cell"])),
    "exceptions": Source(_exceptions, lambda: stdlib.exceptions() | wheels.installed_exceptions()),
    "packages": _known(stdlib.described, stdlib.packages),
    "models": _known(
        lambda: (
            f"{prices.described()}, {listed.described()} and scripts/vocabularies/published.txt"
        ),
        lambda: prices.models() | listed.models() | published.models(),
    ),
    "providers": _known(prices.described, prices.providers),
    "sdks": _known(lambda: "the modules in dev_analytics/observers/llm/sdks", sdk_table.words),
}
