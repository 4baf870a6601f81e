"""How fast a report reads a log: against plain ``json.loads`` over the same lines, in one run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dev_analytics.views.report.source import Source
from dev_analytics.views.report.tally import tally

SAMPLE = Path(__file__).parents[2] / "docs" / "sample-analytics.jsonl"
BOUND = 1.0
RECORDS = 20_000


def test_a_report_takes_about_as_long_as_reading_the_json(
    tmp_path: Path, in_turns: Callable[..., Any], figure: Callable[..., None]
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(SAMPLE.read_bytes() * (RECORDS // 1000))

    def report() -> None:
        assert tally(Source(log, tmp_path)).records == RECORDS

    def plain() -> None:
        with log.open("rb") as opened:
            for line in opened:
                json.loads(line)

    pair = in_turns(report, plain, rounds=10)
    seconds = pair.first / RECORDS
    figure(
        "report, a million records",
        f"{seconds:.1f} s",
        f"json.loads alone {pair.second / RECORDS:.1f} s",
        f"{pair.ratio:.2f} of it, at most {BOUND}",
    )
    assert pair.ratio < BOUND
