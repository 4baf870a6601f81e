"""The command ``report`` of the magic and the shell: what it makes of its options."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.process.messages import printable
from dev_analytics.views.report.figures import NoFiguresError, figures
from dev_analytics.views.report.files import write_csv, write_page
from dev_analytics.views.report.forgotten import Forgotten, ForgottenError
from dev_analytics.views.report.overview import fields
from dev_analytics.views.report.page import page, report_html
from dev_analytics.views.report.source import ReportError, source_of
from dev_analytics.views.report.tables import Table, tables
from dev_analytics.views.report.tally import Tally, tally
from dev_analytics.views.report.text import WIDTH, text


class Report(Struct, frozen=True):
    """A finished report: the tally of the records, and the tables made from it."""

    counted: Tally
    parts: list[Table]

    def text(self, width: int = WIDTH, bar: str = "█") -> str:
        """Return it as text."""
        return text(self.counted, self.parts, width, bar)

    def fields(self) -> dict[str, object]:
        """Return it as a dictionary, for a script."""
        return fields(self.counted, self.parts)

    def html(self) -> str:
        """Return it as HTML for a notebook."""
        return report_html(self.counted, self.parts, *self._figures())

    def write(self, html: Path | None, folder: Path | None) -> str:
        """Write the requested files, and return a sentence that names them.

        Raises
        ------
        ReportError
            They cannot be written.
        """
        said = []
        if html is not None:
            drawn, note = self._figures()
            write_page(html, page(self.counted, self.parts, drawn, note))
            said += [note, f"Wrote {html}."]
        if folder is not None:
            names = ", ".join(file.name for file in write_csv(folder, self.parts))
            said.append(f"Wrote into {folder}: {names or 'nothing, as there are no records'}.")
        return "\n".join(printable(line) for line in said if line)

    def _figures(self) -> tuple[dict[str, str], str]:
        try:
            return figures(self.parts), ""
        except NoFiguresError as error:
            return {}, str(error)


def count(
    options: argparse.Namespace, data: Path, progress: Callable[[float | None, int], None]
) -> Report:
    """Make a report of the files that the options name.

    Raises
    ------
    ReportError
        A file cannot be read.
    """
    source = source_of(options.files, data)
    try:
        counted = tally(source, options.since, progress, Forgotten())
    except ForgottenError as error:
        raise ReportError(f"the list of those to leave out cannot be read: {error}") from None
    return Report(counted, tables(counted, read_ledger(data).dropped if source.own else {}))


def for_terminal(report: Report) -> str:
    """Return a report as text that fits the width and the encoding of standard output."""
    out = sys.stdout
    encoding = getattr(out, "encoding", None) or "utf-8"
    try:
        width = os.get_terminal_size(out.fileno()).columns
    except (OSError, ValueError):
        width = 0
    bar = "█" if "█".encode(encoding, "ignore") else "#"
    shown = report.text(width or WIDTH, bar)
    return shown.encode(encoding, "replace").decode(encoding)
