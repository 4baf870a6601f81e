"""How the numbers that a server answers with are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dev_analytics.maintainer.forget import Count, ForgetError, Place
from dev_analytics.views.report.tables import printable


def count_in(rows: Sequence[Sequence[Any]], place: Place) -> Count:
    """Return the numbers that a server answers with.

    Raises
    ------
    ForgetError
        They are none.
    """
    try:
        ((records, stored),) = rows
        return Count(int(records), int(stored))
    except (ValueError, TypeError):
        raise ForgetError(f"{place} answers with no numbers: {printable(str(rows))[:80]}") from None
