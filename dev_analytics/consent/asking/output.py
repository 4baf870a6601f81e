"""An output that belongs to one cell of a notebook, whatever runs when it is shown or replaced."""

from __future__ import annotations

from textwrap import fill
from typing import Any, Final

from dev_analytics.process.native import urandom
from dev_analytics.process.request import is_vscode

MARK: Final = "dev_analytics_not_saved"
"""Marks an output in its metadata: the module `saving` leaves it out of the file."""

COLUMNS: Final = 72
"""What half of a wide window shows, as VS Code puts its interactive window beside the editor."""


class Output:
    """An output below the cell of one request.

    It is sent through the kernel's session, not through ``display``: nothing that captures the
    outputs of a cell, such as ``%%capture``, gets it, and a thread or a later cell sends to the
    same place.
    """

    def __init__(self, shell: Any, request: Any) -> None:
        self._publisher = shell.display_pub
        self._parent = {"header": request["header"]}
        self._display_id = urandom(16).hex()

    def show(self, data: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        """Show `data`, a bundle by MIME type."""
        self._send("display_data", data, metadata or {})

    def replace(self, data: dict[str, Any], request: Any = None) -> None:
        """Replace what is shown, with empty metadata; as an output of `request`, if one runs.

        VS Code lets only a cell that runs change outputs: for any other it starts that cell.
        """
        if request is not None:
            self._parent = {"header": request["header"]}
        self._send("update_display_data", data, {})

    def _send(self, message: str, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        publisher = self._publisher
        publisher.session.send(
            publisher.pub_socket,
            message,
            {"data": data, "metadata": metadata, "transient": {"display_id": self._display_id}},
            parent=self._parent,
            ident=publisher.topic,
        )


def fitted(text: str, request: Any) -> str:
    """Return `text` in lines that are seen whole below the cell of `request`.

    VS Code does not wrap an output by itself, so that the end of a long line is out of sight.
    """
    if not is_vscode(request):
        return text
    return "\n".join(
        fill(line, COLUMNS, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )
