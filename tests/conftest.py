"""The fixtures that all tests share: an own data directory, a shell, a real kernel, a terminal."""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import certifi
import pexpect
import pytest
from hypothesis import HealthCheck, settings
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from traitlets.config import Config

from dev_analytics.analytics import Analytics
from dev_analytics.consent.asking.prompt import READING_SECONDS
from dev_analytics.process import things
from dev_analytics.process.native import Clock

sys.path.insert(0, str(Path(__file__).parent / "machine"))

from guard import Guard, outside

SECONDS = 240
"""How long a test waits for a process before it fails; nothing is timed by it."""

MEASURED = "PYTHON_MEASURED" in os.environ
"""Whether `make coverage` runs the tests."""

# The same examples each time: what was found once is found again, and `make privacy` looks further.
settings.register_profile(
    "tests",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")

# What runs in the background ignores interrupts, and so would every process that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

_OURS = ("DEV_ANALYTICS", "DO_NOT_TRACK", "CI")
_OF_THE_MACHINE = (
    *("IPYTHON", "JUPYTER", "JPY_", "XDG_", "PYTHONSTARTUP"),
    *("COLAB_", "DATABRICKS_", "DEEPNOTE_", "KAGGLE_", "PYCHARM_", "SPY_", "VSCODE_"),
)
"""Variables of somebody's own set-up, by which it would reach the tests."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep the run and the machine apart, whatever is outside of a test's own folders.

    Raises
    ------
    pytest.UsageError
        This environment cannot move the places that IPython and Jupyter have for everybody.
    """
    if "fake_root" not in sys.modules:
        raise pytest.UsageError(
            "tests/machine/fake_root.pth is not installed in this environment: "
            "run make .venv/test.stamp"
        )
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Guard(outside(os.environ)))
    folder = TemporaryDirectory(prefix="dev-analytics-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    for name in [name for name in os.environ if name.startswith((*_OURS, *_OF_THE_MACHINE))]:
        del os.environ[name]
    os.environ["HOME"] = folder.name
    use_root(Path(folder.name, "root"))
    trust_one(Path(folder.name, "authority.pem"))


SLOWEST_FIRST = (
    *("tests/browser/", "tests/peers/", "tests/privacy/test_notebooks.py"),
    *("tests/privacy/test_written.py", "tests/delivery/test_sender.py"),
    "tests/delivery/test_posthog_versions.py",
    *("tests/faults/", "tests/delivery/", "tests/consent/test_states_and_switches.py"),
    *("tests/observers/llm/test_versions.py", "tests/observers/llm/test_llama_index.py"),
    *("tests/observers/llm/", "tests/privacy/", "tests/apps/test_dev.py"),
    *("tests/apps/test_autoload.py", "tests/consent/", "tests/apps/", "tests/machine/"),
    *("tests/maintainer/", "tests/observers/"),
)
"""Where the slowest tests are, the slowest first."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Import the tests without looking for garbage, then or later, among what stays for the run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slowest, so that no worker is left alone with it at the end."""
    last = len(SLOWEST_FIRST)

    def place(item: pytest.Item) -> int:
        return next((n for n, at in enumerate(SLOWEST_FIRST) if at in item.nodeid), last)

    items.sort(key=place)


def pytest_sessionfinish() -> None:
    """Save what `make coverage` measured: a worker that ends slowly is killed before it does."""
    coverage = sys.modules.get("coverage")
    if coverage is not None and (measured := coverage.Coverage.current()) is not None:
        measured.stop()
        measured.save()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share tests among workers by what they have in common."""
    from units import Units

    return Units(config, log) if config.getoption("dist") == "loadfile" else None


def trust_one(file: Path) -> None:
    """Name clients one authority of the usual list, which all of them would take 25 ms to load.

    The tests of HTTPS take the usual list again.
    """
    end = "-----END CERTIFICATE-----\n"
    file.write_text(certifi.contents().partition(end)[0] + end)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
        os.environ[name] = str(file)


def use_root(root: Path) -> None:
    """Make `root` stand for ``/`` where system-wide configuration is looked for."""
    os.environ["XDG_CONFIG_DIRS"] = str(root / "etc" / "xdg")
    sys.modules["fake_root"].use(str(root))


@pytest.fixture(scope="session")
def own_sockets() -> Iterator[Callable[[], Config]]:
    """Configure who starts a kernel: it listens on sockets in a folder of its own.

    A port that is free when the manager looks may be taken when the kernel listens. The path of a
    socket has at most 104 bytes, so it is not below the test's folder. Kernels of one configuration
    must not start at once: they would share sockets, and not say so.

    A kernel has a minute to end: on a busy machine it starts its sender late.
    """
    with TemporaryDirectory(prefix="k-", ignore_cleanup_errors=True) as folder:

        def configure() -> Config:
            place = Path(mkdtemp(dir=folder), "k")
            return Config(
                KernelManager={"transport": "ipc", "ip": str(place), "shutdown_wait_time": 60}
            )

        yield configure


@pytest.fixture(autouse=True)
def data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_sockets: Callable[[], Config]
) -> Path:
    """Set up a user for the test: a home, a data directory, none of our environment variables."""
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        monkeypatch.delenv(name)
    for name in ("FAKE_ROOT", "XDG_CONFIG_DIRS"):
        monkeypatch.setenv(name, os.environ[name])  # as it was, after the test
    use_root(tmp_path / "root")
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "USERPROFILE"):  # the second on Windows
        monkeypatch.setenv(name, str(home))
    for name in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(home / name.lower()))
    (tmp_path / "jupyter").mkdir()
    (tmp_path / "jupyter" / "jupyter_config.json").write_text(json.dumps(own_sockets()))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("DEV_ANALYTICS_DIR", str(tmp_path / "data"))
    # To import one takes a fifth of the start of a kernel: those of the browser's pages have it.
    monkeypatch.setenv("NO_DEBUGGER", "1")
    monkeypatch.delitem(things(), "analytics", raising=False)
    return tmp_path / "data"


@pytest.fixture
def site_policy(data: Path) -> Path:
    """Where the site's policy would be; there is none."""
    file = Path(os.environ["XDG_CONFIG_DIRS"]) / "dev-analytics" / "policy.json"
    file.parent.mkdir(parents=True)
    return file


@pytest.fixture
def hostile_machine(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with start-up files, configuration and a policy that break whatever takes them."""
    root = Path(os.environ["FAKE_ROOT"])
    for name in (
        "usr/local/etc/ipython/startup/00-hostile.py",
        "etc/ipython/ipython_config.py",
        "etc/jupyter/jupyter_config.py",
        "etc/xdg/dev-analytics/policy.json",
        "startup.py",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("print('hostile'); raise RuntimeError('hostile')\n")
    monkeypatch.setenv("PYTHONSTARTUP", str(root / "startup.py"))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(root / "etc" / "jupyter"))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """An event log."""
    return Log(tmp_path / "events.jsonl")


class Log:
    """An event log, read back."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def records(self) -> list[dict[str, Any]]:
        """Every record; a broken line fails."""
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().split(b"\n")
        assert lines.pop() == b"", "the last line is torn"
        return [json.loads(line) for line in lines]

    @property
    def events(self) -> list[str]:
        """The names of the events."""
        return [record["event"] for record in self.records]

    def of(self, *events: str) -> list[dict[str, Any]]:
        """Return the properties of every record of `events`, without the common ones."""
        return [
            {name: value for name, value in record["properties"].items() if name not in COMMON}
            for record in self.records
            if record["event"] in events
        ]


COMMON = {
    "$session_id",
    "seq",
    "$lib",
    "$lib_version",
    "$process_person_profile",
    "$geoip_disable",
    "$ip",
    "$ignore_sent_at",
}


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[bytes] = []

    def accept(self, record: bytes, user_id: str, recipient: str) -> None:
        assert user_id.encode() in record
        self.records.append(record)

    def has(self, record: bytes) -> bool:
        return record in self.records

    def resume(self) -> None:
        """Nothing is left by an earlier session."""

    def rest(self) -> None:
        """There is no file to let go of."""

    def close(self, *, at_exit: bool) -> None:
        """Nothing waits."""

    def purge(self) -> None:
        self.records.clear()

    def after_fork(self) -> None:
        self.records = []


@pytest.fixture
def kept() -> Kept:
    """A sink that keeps what it is given."""
    return Kept()


@pytest.fixture
def analytics(data: Path, kept: Kept, log: Log) -> Iterator[Analytics]:
    """A strict `Analytics` with an event log, whose user has not answered."""
    analytics = Analytics(data, sink=kept, strict=True)
    analytics.log_to(log.path)
    yield analytics
    analytics.stop_log()


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> Callable[[Analytics], None]:
    """Start recordings a minute early, as no duration in a record exceeds its recording's age."""

    def age(analytics: Analytics) -> None:
        _ = analytics.recording
        begun = Clock.monotonic()
        monkeypatch.setattr(Clock, "monotonic", lambda: begun + 60)

    return age


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A real InteractiveShell in this process; ``shell.run(code)`` runs a user's cell."""
    from IPython.core.history import HistoryManager
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setattr(HistoryManager, "enabled", False)
    before = sys.excepthook, sys.displayhook
    shell: Any = InteractiveShell()
    shell.run = lambda code: shell.run_cell(code, store_history=True)
    yield shell
    # At its end the process would collect garbage once for each shell, for longer than xdist waits
    # for a worker: what was measured in one that it kills is lost.
    atexit.unregister(shell.atexit_operations)
    sys.excepthook, sys.displayhook = before
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)


class Ran:
    """What a cell in a kernel gave."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.reply: dict[str, Any] = {}
        self.asked: list[str] = []

    @property
    def status(self) -> str:
        """Ok, error or aborted."""
        return str(self.reply["status"])

    @property
    def text(self) -> str:
        """All that it printed or displayed, as text."""
        parts: list[str] = []
        stream = None
        for kind, content in self.messages:
            # A kernel sends what is printed in pieces, by the time that passes.
            before, stream = stream, content.get("name") if kind == "stream" else None
            if stream is not None and stream == before:
                parts[-1] += content["text"]
            elif kind == "stream":
                parts.append(content["text"])
            elif kind in ("display_data", "execute_result"):
                parts.append(content["data"].get("text/plain", ""))
            elif kind == "error":
                parts.append("\n".join(content["traceback"]))
        return "\n".join(parts)


class Kernel:
    """A real ipykernel in a process of its own.

    Parameters
    ----------
    env
        Variables that its environment has beside the test's; None takes one away.
    arguments
        Arguments of its command line.
    spec
        The name of its kernelspec.
    config
        How its manager is configured.
    """

    def __init__(
        self,
        env: dict[str, str | None] | None,
        arguments: tuple[str, ...],
        spec: str,
        config: Config,
    ) -> None:
        given = {**os.environ, **(env or {})}
        environment = {name: value for name, value in given.items() if value is not None}
        self.manager = KernelManager(kernel_name=spec, config=config)
        # It is waited for until it has ended by itself, as slow as the machine may be.
        self.manager.shutdown_wait_time = 2 * SECONDS
        self.manager.start_kernel(env=environment, extra_arguments=list(arguments))
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SECONDS)

    def run(
        self,
        code: str,
        *,
        answers: tuple[str, ...] | None = None,
        reads: bool = True,
        silent: bool = False,
        store_history: bool = True,
        allow_stdin: bool | None = None,
    ) -> Ran:
        """Run a cell to its end.

        Parameters
        ----------
        code
            The cell.
        answers
            What somebody types when asked; None: nobody is there, as with ``nbconvert``.
        reads
            Whether they take the time to read the question, as a program does not.
        """
        ran = Ran()
        given = list(answers or ())

        def answer(message: dict[str, Any]) -> None:
            ran.asked.append(message["content"]["prompt"])
            assert given, f"asked once more: {message['content']['prompt']!r}"
            time.sleep(READING_SECONDS if reads else 0)
            self.client.input(given.pop(0))

        def output(message: dict[str, Any]) -> None:
            if message["msg_type"] not in ("status", "execute_input"):
                ran.messages.append((message["msg_type"], message["content"]))

        reply = self.client.execute_interactive(
            code,
            silent=silent,
            store_history=store_history,
            allow_stdin=(answers is not None) if allow_stdin is None else allow_stdin,
            stop_on_error=False,
            timeout=SECONDS,
            output_hook=output,
            stdin_hook=answer,
        )
        ran.reply = reply["content"]
        assert ran.reply["status"] != "aborted", f"the kernel did not run {code!r}"
        return ran

    def interrupt_when(self, code: str, ready: Callable[[], bool]) -> str:
        """Run `code`, interrupt it once `ready`, and give its status."""
        # Otherwise the kernel refuses a cell that comes right after the error.
        identifier = self.client.execute(code, store_history=True, stop_on_error=False)
        wait_until(ready)
        self.manager.interrupt_kernel()
        return str(self.reply_to(identifier)["content"]["status"])

    def reply_to(self, identifier: str) -> dict[str, Any]:
        """Wait for the reply to a request; a kernel that is slow to start has sent others."""
        while True:
            with suppress(Empty):
                reply: dict[str, Any] = self.client.get_shell_msg(timeout=SECONDS)
                if reply["parent_header"].get("msg_id") == identifier:
                    return reply

    def stop(self) -> None:
        """Shut the kernel down as a notebook does."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.manager.signal_kernel(signal.SIGKILL)


def _kernels(own_sockets: Callable[[], Config]) -> Iterator[Callable[..., Kernel]]:
    started: list[Kernel] = []

    def start(
        env: dict[str, str | None] | None = None, *arguments: str, spec: str = "python3"
    ) -> Kernel:
        started.append(Kernel(env, arguments, spec, own_sockets()))
        return started[-1]

    yield start
    for one in started:
        one.client.stop_channels()
        if one.manager.has_kernel:
            if MEASURED:
                one.manager.signal_kernel(signal.SIGTERM)
                end(one.manager.is_alive)
            one.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(own_sockets: Callable[[], Config]) -> Iterator[Callable[..., Kernel]]:
    """Start kernels; they are shut down after the test."""
    yield from _kernels(own_sockets)


@pytest.fixture(scope="module")
def lasting_kernel(own_sockets: Callable[[], Config]) -> Iterator[Callable[..., Kernel]]:
    """Start kernels that no test has for itself; they are shut down after those of its module."""
    yield from _kernels(own_sockets)


class Terminal:
    """A real IPython in a pseudo-terminal."""

    PROMPT = r"In \[\d+\]: "

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        environment = {
            **os.environ,
            "TERM": "dumb",
            "PROMPT_TOOLKIT_NO_CPR": "1",
            "PYTHONUNBUFFERED": "1",
            **(env or {}),
        }
        self.process = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", "--no-banner", "--no-confirm-exit", "--simple-prompt", *arguments],
            env=environment,
            encoding="utf-8",
            timeout=SECONDS,
            dimensions=(40, 200),
        )
        self.process.setecho(False)

    def until(self, text: str) -> str:
        """Wait for `text`, and give what came before."""
        self.process.expect_exact(text)
        return str(self.process.before)

    def prompt(self) -> str:
        """Wait for the next prompt, and give what came before."""
        self.process.expect(self.PROMPT)
        return str(self.process.before)

    def run(self, line: str) -> str:
        """Type a line at the prompt, and give what it shows."""
        self.type(line)
        return self.prompt()

    def type(self, text: str) -> None:
        """Type a line, without waiting; a yes once there was time to read what it answers."""
        if text.lower() in ("y", "yes"):
            time.sleep(READING_SECONDS)
        self.process.sendline(text)

    def press_enter(self) -> None:
        """Press Enter alone at the question, once there was time to read it."""
        time.sleep(READING_SECONDS)
        self.process.sendline("")

    def leave(self) -> None:
        """Leave IPython and wait for its end."""
        self.process.sendline("exit")
        self.process.expect(pexpect.EOF)
        self.process.close()


def _terminals() -> Iterator[Callable[..., Terminal]]:
    started: list[Terminal] = []

    def start(*arguments: str, env: dict[str, str] | None = None) -> Terminal:
        started.append(Terminal(*arguments, env=env))
        return started[-1]

    yield start
    for one in started:
        if MEASURED:
            one.process.kill(signal.SIGTERM)
            end(one.process.isalive)
        # It says so where a process that was killed takes its time to be gone.
        with suppress(pexpect.ExceptionPexpect):
            one.process.close(force=True)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Start terminals; they are ended after the test."""
    yield from _terminals()


@pytest.fixture(scope="module")
def lasting_terminal() -> Iterator[Callable[..., Terminal]]:
    """Start terminals that no test has for itself; they are ended after those of its module."""
    yield from _terminals()


def end(is_alive: Callable[[], bool]) -> None:
    """Wait for a process that saves what it measured: what is killed says nothing."""
    deadline = time.monotonic() + 5
    while is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)


def wait_until(ready: Callable[[], bool]) -> None:
    """Wait for an event of another process."""
    deadline = time.monotonic() + SECONDS
    while not ready():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def press() -> Callable[[Any, str], None]:
    """Press Ctrl and a key in a pseudo-terminal, once its process waits for one.

    Python hears of an interrupt between a prompt and its reading only with the next key.
    """

    def press(process: Any, key: str) -> None:
        asleep = 0

        def waits() -> bool:
            nonlocal asleep
            state = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
            asleep = asleep + 1 if state[0] == "S" else 0
            return asleep >= 10

        wait_until(waits)
        process.sendcontrol(key)

    return press


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait for an event of another process."""
    return wait_until


def everything(folder: Path) -> bytes:
    """Return every byte of every file below `folder`, and every name."""
    found = b""
    for path in sorted(folder.rglob("*")):
        found += os.fsencode(path.relative_to(folder))
        # What a sender has at the moment may be gone.
        with suppress(FileNotFoundError):
            if path.is_file():
                found += path.read_bytes()
    return found


@pytest.fixture(name="everything")
def everything_below() -> Callable[[Path], bytes]:
    """Read every byte and every name below a folder."""
    return everything


@pytest.fixture
def click() -> Callable[..., Ran]:
    """Click a Button in a kernel, by the name of its model, and give what that shows."""

    def click(kernel: Kernel, model: str, *, wait: bool = True) -> Ran:
        client = kernel.client
        data = {"method": "custom", "content": {"event": "click"}}
        message = client.session.msg("comm_msg", {"comm_id": model, "data": data})
        client.shell_channel.send(message)
        ran = Ran()
        while wait:
            shown = client.get_iopub_msg(timeout=SECONDS)
            if shown["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if shown["msg_type"] != "status":
                ran.messages.append((shown["msg_type"], shown["content"]))
            elif shown["content"]["execution_state"] == "idle":
                break
        return ran

    return click


@pytest.fixture
def in_subshell() -> Callable[[Kernel, str], str]:
    """Run a cell in a new subshell of a kernel, beside its main shell, and give its status."""

    def run(kernel: Kernel, code: str) -> str:
        client = kernel.client
        client.control_channel.send(client.session.msg("create_subshell_request"))
        subshell = client.get_control_msg(timeout=SECONDS)["content"]["subshell_id"]
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        message = client.session.msg("execute_request", content)
        message["header"]["subshell_id"] = subshell
        client.shell_channel.send(message)
        while True:
            reply = client.get_shell_msg(timeout=SECONDS)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return str(reply["content"]["status"])

    return run
