"""Keep open questions and records out of the files of notebooks.

A page saves what it shows. A saved dialog shows an error in every later session, and saved records
outlive an opt-out. The Jupyter server calls `leave_out_marked` before it writes a notebook, with
whatever a client sent, so it never raises.
"""

from __future__ import annotations

from typing import Any, Final

from dev_analytics.consent.asking.dialog import CLASS
from dev_analytics.consent.asking.output import MARK

_WIDGETS: Final = "application/vnd.jupyter.widget-state+json"
_REFERENCE: Final = "IPY_MODEL_"


def leave_out_marked(model: dict[str, Any], **_: Any) -> None:
    """Remove the marked outputs from `model`, a notebook that the server is about to write."""
    if model.get("type") != "notebook":
        return
    content = _object(model.get("content"))
    cells = content.get("cells")
    for cell in cells if isinstance(cells, list) else ():
        outputs = _object(cell).get("outputs")
        if isinstance(outputs, list) and any(map(_is_marked, outputs)):
            cell["outputs"] = [output for output in outputs if not _is_marked(output)]
    _leave_out_widgets(_object(content.get("metadata")))


def _leave_out_widgets(metadata: dict[str, Any]) -> None:
    """Remove the dialog from the widgets that a page saves if its user wants that."""
    kinds = _object(metadata.get("widgets"))
    models = _object(_object(kinds.get(_WIDGETS)).get("state"))
    found: list[Any] = [f"{_REFERENCE}{name}" for name in models if _is_dialog(models[name])]
    if not found:
        return
    while found:
        match found.pop():
            case str() as text if text.startswith(_REFERENCE):
                found.append(models.pop(text.removeprefix(_REFERENCE), None))
            case dict() as part:
                found += part.values()
            case list() as parts:
                found += parts
    if not models:
        del kinds[_WIDGETS]
    if not kinds:
        del metadata["widgets"]


def _is_marked(output: Any) -> bool:
    return MARK in _object(_object(output).get("metadata"))


def _is_dialog(model: Any) -> bool:
    classes = _object(_object(model).get("state")).get("_dom_classes")
    return isinstance(classes, list) and CLASS in classes


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
