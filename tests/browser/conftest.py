"""Real front ends: JupyterLab and Notebook 7 in Chromium, with real kernels.

One server gives both, and one Chromium shows them, to all tests of this folder. What a test must
have for itself hangs on its kernels: they start with the home and the data directory of that test.
A page of JupyterLab, which takes two seconds of work to load, stays open for the notebooks of the
tests that come later.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, expect, sync_playwright

SECONDS = 240
"""How long a page is waited for before the test fails; nothing is timed by it."""

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--js-flags=--no-opt --no-maglev",  # no page is open for as long as optimizing its code takes
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
# Where the Makefile has Playwright fetch a Chromium if the system has none.
os.environ.setdefault("PLAYWRIGHT_BROWSERS_PATH", str(Path(sys.prefix) / "browsers"))

_OURS = ("DEV_ANALYTICS", "DO_NOT_TRACK", "CI", "NO_DEBUGGER")
_OF_THE_TEST = (
    *("HOME", "IPYTHONDIR", "DEV_ANALYTICS_DIR"),
    *("FAKE_ROOT", "XDG_CONFIG_DIRS"),
)

_READY = """() => {
    const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
    const kernel = context?.session?.kernel;
    return !!document.querySelector('.jp-Notebook .jp-Cell')
        && kernel?.status === 'idle' && kernel?.connectionStatus === 'connected';
}"""

_START = """([command, cell]) => {
    const {commands, shell} = window.jupyterapp;
    if (cell !== null) shell.currentWidget.content.activeCellIndex = cell;
    window.started = (window.started ?? 0) + 1;
    void commands.execute(command).finally(() => { window.started -= 1; });
}"""

# The page knows the kernels that there were when it was loaded.
_OPEN = """async path => {
    const {commands, serviceManager} = window.jupyterapp;
    await serviceManager.kernelspecs.refreshSpecs();
    const opened = await commands.execute('docmanager:open', {path});
    await opened.context.ready;
}"""

# Not by a command: it would ask whether to save.
_CLOSE_ALL = "[...window.jupyterapp.shell.widgets('main')].forEach(each => each.dispose())"

_OUTPUTS = """cell => window.jupyterapp.shell.currentWidget.content.widgets[cell]
    .model.toJSON().outputs"""

_KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"

_WIRETAP = f"""() => {{
    window.sent = [];
    {_KERNEL}.anyMessage.connect((_, {{direction, msg}}) => {{
        if (direction === 'send' && msg.header.msg_type === 'comm_msg')
            window.sent.push(msg.content.data);
    }});
}}"""

# The status after an end is soon that of the next start.
_END = f"""() => {{
    window.ended = false;
    {_KERNEL}.statusChanged.connect((_, status) => {{
        window.ended ||= !/busy|idle/.test(status);
    }});
}}"""

_opened: pytest.StashKey[list[NotebookPage]] = pytest.StashKey()


class Server:
    """A Jupyter server with JupyterLab and Notebook 7.

    Parameters
    ----------
    folder
        Everything that it keeps: home, settings, notebooks.
    sockets
        Where its kernels listen: a short path, and no ports, which others may take before.
    """

    TOKEN = "token"

    def __init__(self, folder: Path, sockets: str) -> None:
        self.root = folder / "notebooks"
        self.specs = folder / "data" / "kernels"
        self.settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
        configuration = folder / "jupyter_config_dir" / "labconfig"
        for path in (self.root, self.specs, self.settings, configuration):
            path.mkdir(parents=True)
        # Each page would have Node look whether Lab's own scripts are to be built anew.
        (configuration / "page_config.json").write_text('{"buildCheck": false}')
        # Lab's news come with buttons of their own, named Yes and No.
        (self.settings / "notification.jupyterlab-settings").write_text(
            '{"fetchNews": "false", "checkForUpdates": false}'
        )
        self._log = folder / "server.log"
        self.address = ""
        self._process = self._start(folder, sockets)

    def wait(self) -> None:
        """Wait until it answers, at the address that it says."""
        deadline = time.monotonic() + SECONDS
        while True:
            said = re.search(r"http://127\.0\.0\.1:\d+(?=/)", self._log.read_text())
            self.address = said[0] if said else ""
            try:
                self.request("GET", "/api/status")
            except (OSError, ValueError):
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.05)
            else:
                return

    def request(self, method: str, path: str) -> Any:
        """Use its REST interface."""
        request = urllib.request.Request(
            f"{self.address}{path}",
            method=method,
            headers={"Authorization": f"token {self.TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            return json.loads(response.read() or "null")

    def stop_kernels(self) -> None:
        """Shut all kernels down."""
        for session in self.request("GET", "/api/sessions"):
            self.request("DELETE", f"/api/sessions/{session['id']}")

    def stop(self) -> None:
        """End it, and whatever it started."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _start(self, folder: Path, sockets: str) -> subprocess.Popen[bytes]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(_OURS)
        }
        for name in ("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR"):
            environment[name] = str(folder / name.lower())
        environment["JUPYTER_RUNTIME_DIR"] = sockets
        environment["JUPYTER_DATA_DIR"] = str(self.specs.parent)
        environment["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
        environment["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "workspaces")
        arguments = (
            "--no-browser",
            "--allow-root",
            "--ip=127.0.0.1",
            "--port=0",
            f"--IdentityProvider.token={self.TOKEN}",
            f"--ServerApp.root_dir={self.root}",
            "--LabApp.expose_app_in_browser=True",
            "--JupyterNotebookApp.expose_app_in_browser=True",
            "--KernelManager.transport=ipc",
        )
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *arguments],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


class NotebookPage:
    """A notebook, open in a page.

    Parameters
    ----------
    context
        The browser's context.
    url
        Where it is opened.
    file
        The notebook's file.
    """

    def __init__(self, context: BrowserContext, url: str, file: Path) -> None:
        self.file = file
        self.errors: list[str] = []
        self.page = context.new_page()
        self._url = url

    def open_within(self, other: NotebookPage, path: str) -> None:
        """Open it in the page of another notebook, which is closed, by its path on the server."""
        self.page.close()
        self.page, self.errors = other.page, other.errors
        self.errors.clear()
        self.page.evaluate(_OPEN, path)
        self._wait_for_kernel()

    def close(self) -> None:
        """Close all that is open in its page; what was not saved is lost."""
        self.page.evaluate(_CLOSE_ALL)

    def open(self) -> None:
        """Open it; if it is open, close the page before and take a new one."""
        context = self.page.context
        self.page.close()
        self.page = page = context.new_page()
        page.set_default_timeout(SECONDS * 1000)
        page.on("dialog", lambda dialog: dialog.accept())
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda message: self.errors.append(message.text) if message.type == "error" else None,
        )
        page.goto(self._url, wait_until="domcontentloaded")
        self._wait_for_kernel()

    @property
    def question(self) -> Locator:
        """The dialogs that can be seen."""
        return self.page.locator(".dev-analytics-question").filter(visible=True)

    def button(self, name: str) -> Locator:
        """Return a button below a cell by its accessible name."""
        return self.page.locator(".jp-OutputArea").get_by_role("button", name=name, exact=True)

    def below(self, cell: int) -> Locator:
        """Return the outputs below a cell, whether they can be seen or not."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-OutputArea-output")

    def text_below(self, cell: int) -> str:
        """Return the text that can be seen below a cell."""
        return "\n".join(self.below(cell).filter(visible=True).all_inner_texts()).strip()

    def run(self, *cells: int) -> None:
        """Run cells to their end, all if none is named."""
        for cell in cells or (None,):
            self.start(cell)
            self.wait()

    def start(self, cell: int | None) -> None:
        """Run a cell, all for None, without waiting for its end."""
        command = "notebook:run-all-cells" if cell is None else "notebook:run-cell"
        self.page.evaluate(_START, [command, cell])

    def wait(self) -> None:
        """Wait for the end of what was started."""
        self._wait_until("window.started === 0")

    def outputs(self, cell: int) -> list[dict[str, Any]]:
        """Return a cell's outputs, as the notebook holds them."""
        outputs: list[dict[str, Any]] = self.page.evaluate(_OUTPUTS, cell)
        return outputs

    def saved(self) -> dict[str, Any]:
        """Save the notebook, and give what its file holds."""
        self.page.evaluate(_START, ["docmanager:save", None])
        self.wait()
        notebook: dict[str, Any] = json.loads(self.file.read_text())
        return notebook

    def note_widget_messages(self) -> None:
        """Note from now on what the page's widgets send the kernel."""
        self.page.evaluate(_WIRETAP)

    def widget_messages(self) -> list[dict[str, Any]]:
        """Return what the page's widgets have sent since `note_widget_messages`."""
        messages: list[dict[str, Any]] = self.page.evaluate("window.sent")
        return messages

    def runs(self) -> bool:
        """Return whether what was started has not ended.

        The kernel's status would not: a click that it hears while it runs a cell makes it idle.
        """
        return bool(self.page.evaluate("window.started > 0"))

    def reload(self) -> None:
        """Load the page anew; what was not saved is lost."""
        self.page.reload(wait_until="domcontentloaded")
        self._wait_for_kernel()

    def restart_kernel(self) -> None:
        """Restart the kernel, and wait until it is ready."""
        self.page.evaluate(f"{_KERNEL}.restart()")
        self._wait_for_kernel()

    def run_to_the_kernel_s_end(self, cell: int) -> None:
        """Run a cell until the page knows that it killed the kernel; another one is started."""
        self.page.evaluate(_END)
        self.start(cell)
        self._wait_until("window.ended")

    def end_kernel(self) -> None:
        """Shut the kernel down."""
        self.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def use_theme(self, theme: str) -> None:
        """Switch to a theme, and wait until its colours are there."""
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
        )
        self._wait_until(
            "theme => document.body.dataset.jpThemeName === theme"
            # It hides everything for a frame.
            " && window.jupyterapp.shell.isVisible",
            arg=theme,
        )

    def _wait_until(self, condition: str, **arg: Any) -> None:
        """Look now and then: a look at each frame has Chromium draw sixty in a second."""
        self.page.wait_for_function(condition, polling=50, **arg)

    def _wait_for_kernel(self) -> None:
        self._wait_until(_READY)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of all tests of this folder."""
    with TemporaryDirectory(prefix="k-", ignore_cleanup_errors=True) as sockets:
        server = Server(tmp_path_factory.mktemp("server"), sockets)
        try:
            server.wait()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="package")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """The Chromium of all tests of this folder; without one they fail.

    It has a profile, which keeps scripts compiled, so that pages open faster.
    """
    path = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    # Left running it would leave its event loop to the tests of other folders.
    with sync_playwright() as playwright:
        path = path or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.fail("no Chromium: install it (Debian, Ubuntu: apt install chromium)")
        expect.set_options(timeout=SECONDS * 1000)
        profile = tmp_path_factory.mktemp("chromium")
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=path, args=_FLAGS, viewport={"width": 1280, "height": 900}
        )
        yield context
        context.close()


class Stored:
    """What the files of the consent store hold.

    Parameters
    ----------
    folder
        The store's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def fields(self) -> dict[str, Any]:
        """The content of ``consent.json``; empty if there is none."""
        try:
            return dict(json.loads((self._folder / "consent.json").read_bytes()))
        except FileNotFoundError:
            return {}

    @property
    def user(self) -> str | None:
        """The identifier of a user who agreed."""
        return self.fields.get("user_id")

    @property
    def answer(self) -> str | None:
        """The answer: yes, no, or none yet."""
        fields = self.fields
        if (self._folder / "opted-out").exists():
            assert not self.fields, "an opt-out leaves no identifier behind"
            return "no"
        assert ("user_id" in fields) == ("answer" in fields)
        return fields.get("answer")


@pytest.fixture
def stored(data: Path) -> Stored:
    """The test's user's answer, as it is on disk."""
    return Stored(data / "consent")


@pytest.fixture(params=["lab", "notebook"])
def front_end(request: pytest.FixtureRequest) -> str:
    """JupyterLab or Notebook 7."""
    return str(request.param)


@pytest.fixture(scope="package")
def kept() -> list[NotebookPage]:
    """What stays open between tests: nothing, or a page of JupyterLab."""
    return []


@pytest.fixture
def loaded_anew(kept: list[NotebookPage]) -> Iterator[None]:
    """Close the page that another test has used, and leave none to the next."""

    def close() -> None:
        while kept:
            kept.pop().page.close()

    close()
    yield
    close()


@pytest.fixture
def open_notebook(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    server: Server,
    chromium: BrowserContext,
    kept: list[NotebookPage],
    front_end: str,
    log: Any,
) -> Iterator[Callable[..., NotebookPage]]:
    """Open notebooks of these cells.

    Their kernels are switched on, so that they ask, and keep the test's event log; keywords are
    further variables of their environment.
    """
    name = tmp_path.name
    folder = server.root / name
    folder.mkdir()
    notebooks = request.node.stash.setdefault(_opened, [])

    def open_notebook(*cells: str, **environment: str) -> NotebookPage:
        number = len(notebooks)
        kernel = f"{name}-{number}".lower()
        own = {variable: os.environ[variable] for variable in _OF_THE_TEST}
        asked = {"DEV_ANALYTICS": "on", "DEV_ANALYTICS_LOG": str(log.path)}
        _write_kernelspec(server.specs / kernel, {**own, **asked, **environment})
        file = folder / f"{number}.ipynb"
        file.write_text(json.dumps(_notebook(cells, kernel)))
        path = f"{name}/{file.name}?token={server.TOKEN}"
        where = f"lab/workspaces/{kernel}/tree" if front_end == "lab" else "notebooks"
        notebook = NotebookPage(chromium, f"{server.address}/{where}/{path}", file)
        notebooks.append(notebook)
        if front_end == "lab" and kept:
            notebook.open_within(kept.pop(), f"{name}/{file.name}")
        else:
            notebook.open()
        return notebook

    yield open_notebook
    theme = server.settings / "themes.jupyterlab-settings"
    if front_end == "lab" and not theme.exists():  # a page keeps its theme
        kept[:] = [each for each in notebooks[:1] if not each.page.is_closed()]
    for notebook in kept:
        notebook.close()
    for page in chromium.pages[1:]:
        if page not in [each.page for each in kept]:
            page.close()
    theme.unlink(missing_ok=True)
    server.stop_kernels()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Keep of a failed test what its pages show, and what they complain of."""
    report: Any = yield
    if report.failed and report.when == "call":
        opened: list[NotebookPage] = item.stash.get(_opened, [])
        for number, notebook in enumerate(opened):
            complaints = "\n".join(notebook.errors) or "nothing in the console"
            if not notebook.page.is_closed():
                picture = item.funcargs["tmp_path"] / f"page-{number}.png"  # type: ignore[attr-defined]
                notebook.page.screenshot(path=picture)
                notebook.page.close()
                complaints = f"{picture}\n{complaints}"
            report.sections.append((f"page {number}", complaints))
    return report


def _write_kernelspec(folder: Path, environment: dict[str, str]) -> None:
    folder.mkdir()
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": folder.name,
        "language": "python",
        "env": environment,
    }
    (folder / "kernel.json").write_text(json.dumps(spec))


def _notebook(cells: tuple[str, ...], kernel: str) -> dict[str, Any]:
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for number, source in enumerate(cells)
        ],
    }
