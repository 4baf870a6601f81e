"""Reads the counts in a server's answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dev_analytics.maintainer.forget import Count, ForgetError, Place
from dev_analytics.views.report.tables import printable


def count_in(rows: Sequence[Sequence[Any]], place: Place) -> Count:
    """Return the counts in a server's answer.

    Raises
    ------
    ForgetError
        The answer is not two numbers.
    """
    try:
        ((records, stored),) = rows
        return Count(int(records), int(stored))
    except (ValueError, TypeError):
        answer = printable(str(rows))[:80]
        raise ForgetError(f"{place} does not answer with two numbers: {answer}") from None
