"""A notebook saved while the question is open: the file holds nothing of it.

A page saves what it shows, and a dialog that is saved shows an error in every later session. The
Jupyter server calls `leave_out_question` before it writes a notebook.
"""

from __future__ import annotations

from typing import Any

from dev_analytics.consent.dialog import MARK


def leave_out_question(model: dict[str, Any], **_: Any) -> None:
    """Take the output of an open question out of a notebook that is about to be written.

    Parameters
    ----------
    model
        What the server writes, as its contents service describes it.
    """
    if model.get("type") != "notebook":
        return
    for cell in (model.get("content") or {}).get("cells", ()):
        outputs = cell.get("outputs") or ()
        if any(_is_question(output) for output in outputs):
            cell["outputs"] = [output for output in outputs if not _is_question(output)]


def _is_question(output: dict[str, Any]) -> bool:
    return MARK in (output.get("metadata") or ())
