"""The request that a kernel handles now, as the front end sent it.

It may contain a path, so it is looked at and never kept.
"""

from __future__ import annotations

from typing import Any, Final

VSCODE: Final = "vscode-"
"""How the ids of VS Code's cells begin, which are addresses of a scheme of its own."""


def request(shell: Any) -> Any:
    """Return the message that a kernel's `shell` handles now; empty if there is none."""
    places: tuple[Any, ...] = (shell, getattr(shell, "kernel", None))
    for each in places:
        if hasattr(each, "get_parent"):
            return each.get_parent()
    return getattr(shell, "parent_header", {})


def allows_input(request: Any) -> bool:
    """Return whether the front end takes input for `request`, as those of batch runs do not."""
    return _part(request, "content").get("allow_stdin") is True


def handles_comm_message(shell: Any) -> bool:
    """Return whether a kernel's `shell` handles a widget's message now, on this thread."""
    return _part(request(shell), "header").get("msg_type") == "comm_msg"


def handles_click(shell: Any, widget: str) -> bool:
    """Return whether a kernel's `shell` handles a page's click on this widget now.

    Code that a cell left running, in a thread or a task, can call what a click calls; but the
    kernel then handles no message of a page that is this click.
    """
    content = _part(request(shell), "content")
    data = _part(content, "data")
    return (
        handles_comm_message(shell)
        and content.get("comm_id") == widget
        and data.get("method") == "custom"
        and _part(data, "content").get("event") == "click"
    )


def cell_id(request: Any) -> str:
    """Return the front end's id of the cell that `request` runs; empty if there is none.

    It may contain a path, so it is looked at and never kept. Colab has a field of its own for it.
    """
    metadata = _part(request, "metadata")
    for cell in (metadata.get("cellId"), _part(metadata, "colab").get("cell_id")):
        if type(cell) is str and cell:
            return cell
    return ""


def is_vscode(request: Any) -> bool:
    """Return whether `request` runs a cell of VS Code."""
    return cell_id(request).startswith(VSCODE)


def _part(request: Any, name: str) -> dict[str, Any]:
    part = request.get(name) if isinstance(request, dict) else None
    return part if isinstance(part, dict) else {}
