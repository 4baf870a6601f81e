"""A page that shows a notebook, as a kernel sees one: cells, outputs, widgets and clicks."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty
from typing import Any

from dev_analytics.consent.prompt import READING_SECONDS

SECONDS = 240
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class NotebookPage:
    """A page that shows a notebook of a real kernel.

    Attributes
    ----------
    outputs
        Everything that is shown, in its order: the cell it stands below, its data and metadata.
    models
        The state of every widget that lives, by its identifier.
    replies
        The replies to the cells that were run, with their times.
    """

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.client = kernel.client
        self.outputs: list[dict[str, Any]] = []
        self.models: dict[str, dict[str, Any]] = {}
        self.replies: list[dict[str, Any]] = []
        self.times: list[tuple[str, Any]] = []
        self._cells: dict[str, str] = {}
        self._idle: set[str] = set()

    def send(self, code: str, cell: str, **content: Any) -> str:
        """Run a cell, without waiting; one without a name is a client's that has no cells."""
        for shown in [shown for shown in self.outputs if shown["cell"] == cell]:
            self.outputs.remove(shown)
        message = self.client.session.msg(
            "execute_request",
            {
                "code": code,
                "silent": False,
                "store_history": True,
                "allow_stdin": True,
                "user_expressions": {},
                "stop_on_error": False,
                **content,
            },
            metadata={"cellId": cell} if cell else {},
        )
        identifier = str(message["header"]["msg_id"])
        self._cells[identifier] = cell
        self.client.shell_channel.send(message)
        return identifier

    def run(self, code: str, cell: str, **content: Any) -> str:
        """Run a cell to its end, and give what stands below it as text."""
        identifier = self.send(code, cell, **content)
        self.until(lambda: identifier in self._idle)
        return self.below(cell)

    def below(self, cell: str) -> str:
        """Give what stands below a cell, as text."""
        return "".join(o["data"].get("text/plain", "") for o in self.outputs if o["cell"] == cell)

    @property
    def dialogs(self) -> list[dict[str, Any]]:
        """The dialogs that are shown, each an output with a widget."""
        return [output for output in self.outputs if WIDGET_VIEW in output["data"]]

    def asked(self) -> dict[str, Any]:
        """Wait for the one dialog, as the output that shows it, and let the page say it does."""
        self.until(lambda: len(self.dialogs) == 1)
        (dialog,) = self.dialogs
        self.view(dialog, 1)
        return dialog

    def view(self, dialog: dict[str, Any], number: int) -> None:
        """Tell the kernel how many views of a dialog there are."""
        model = dialog["data"][WIDGET_VIEW]["model_id"]
        self._widget(model, {"method": "update", "state": {"_view_count": number}})

    def button(self, label: str) -> str:
        """Give the identifier of the button that has a label."""
        (model,) = [m for m, state in self.models.items() if state.get("description") == label]
        return model

    def click(self, label: str) -> None:
        """Click a button."""
        self._widget(self.button(label), {"method": "custom", "content": {"event": "click"}})

    def html(self) -> str:
        """Give all the HTML of the widgets that are shown."""
        (dialog,) = self.dialogs
        return self._html(dialog["data"][WIDGET_VIEW]["model_id"])

    def typed(self, text: str) -> str:
        """Wait until something is asked, take the time to read it, type, and give the prompt."""
        prompt = self.client.get_stdin_msg(timeout=SECONDS)["content"]["prompt"]
        time.sleep(READING_SECONDS)
        self.client.input(text)
        return str(prompt)

    def until(self, ready: Callable[[], bool]) -> None:
        """Take what the kernel sends until something holds."""
        deadline = time.monotonic() + SECONDS
        while not ready():
            assert time.monotonic() < deadline, f"waited in vain; shown is {self.outputs}"
            with suppress(Empty):
                self._take(self.client.get_iopub_msg(timeout=0.05))
            with suppress(Empty):
                reply = self.client.get_shell_msg(timeout=0)
                if reply["parent_header"].get("msg_id") in self._cells:
                    self.replies.append(reply)

    def settle(self) -> None:
        """Take all that the kernel sends until it has handled everything before this."""
        self.run("None", "settle", store_history=False)

    def _html(self, model: str) -> str:
        state = self.models[model]
        children = "".join(
            self._html(child.removeprefix("IPY_MODEL_")) for child in state.get("children", ())
        )
        return (state.get("value") or "") + children

    def _widget(self, model: str, data: dict[str, Any]) -> None:
        message = self.client.session.msg("comm_msg", {"comm_id": model, "data": data})
        self.client.shell_channel.send(message)

    def _take(self, message: dict[str, Any]) -> None:
        content, parent = message["content"], message["parent_header"].get("msg_id", "")
        self.times.append((message["msg_type"], message["header"]["date"]))
        match message["msg_type"]:
            case "display_data" | "execute_result":
                self.outputs.append({**content, "cell": self._cells.get(parent, "")})
            case "stream":
                data = {"text/plain": content["text"]}
                self.outputs.append({"data": data, "cell": self._cells.get(parent, "")})
            case "error":
                data = {"text/plain": "\n".join(content["traceback"])}
                self.outputs.append({"data": data, "cell": self._cells.get(parent, "")})
            case "update_display_data":
                for output in self.outputs:
                    if output.get("transient") == content["transient"]:
                        output |= {"data": content["data"], "metadata": content["metadata"]}
            case "comm_open":
                self.models[content["comm_id"]] = content["data"]["state"]
            case "comm_msg" if content["data"]["method"] == "update":
                self.models[content["comm_id"]] |= content["data"]["state"]
            case "comm_close":
                del self.models[content["comm_id"]]
            case "status" if content["execution_state"] == "idle":
                self._idle.add(parent)
