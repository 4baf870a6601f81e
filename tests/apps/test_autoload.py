"""The start-up file: written and taken away in each place, in real environments."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from dev_analytics import NOTICE
from dev_analytics.apps import autoload
from dev_analytics.apps.jupyter import main
from dev_analytics.consent.store import ConsentStore

ROOT = Path(__file__).parent.parent.parent
PLACES = ("--user", "--sys-prefix", "--system")
LOADED = "print('loaded', 'dev_analytics' in get_ipython().extension_manager.loaded)"


COMMANDS = """
import json, sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from dev_analytics.__main__ import main
from dev_analytics.process import things

for line in sys.stdin:
    things().pop("analytics", None)  # of the command before
    sys.argv[1:] = json.loads(line)
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = main()
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


class Environment:
    """A Python environment of its own, that sees the packages of this one.

    Attributes
    ----------
    python
        Its interpreter.
    trees
        Everything that the three places could change.
    """

    def __init__(self, folder: Path) -> None:
        self.prefix = folder / "prefix"
        # The places of the machine are under the test's folder.
        self.system = Path(os.environ["FAKE_ROOT"])
        self.user = Path(os.environ["IPYTHONDIR"])
        self.trees = (self.prefix, self.system, self.user, Path(os.environ["HOME"]))
        venv.create(self.prefix, symlinks=True)
        self.python = self.prefix / "bin" / "python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.packages = self.prefix / "lib" / version / "site-packages"
        ours = sysconfig.get_path("purelib")
        (self.packages / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")

    def startup(self, place: str) -> Path:
        """Return the start-up folder of a place."""
        return {
            "--user": self.user / "profile_default" / "startup",
            "--sys-prefix": self.prefix / "etc" / "ipython" / "startup",
            "--system": self.system / "usr" / "local" / "etc" / "ipython" / "startup",
        }[place]

    def run(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run its interpreter."""
        return subprocess.run(
            [self.python, *arguments],
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def at_start(self, code: str) -> None:
        """Run code when its interpreter starts; a ``sitecustomize`` may be the system's."""
        (self.packages / "at_start.py").write_text(code)
        (self.packages / "at_start.pth").write_text("import at_start\n")

    def command(self, *arguments: str) -> str:
        """Run ``python -m dev_analytics``, which must succeed."""
        ran = self.run("-m", "dev_analytics", *arguments)
        assert (ran.returncode, ran.stderr) == (0, "")
        return ran.stdout

    @contextmanager
    def commands(self) -> Iterator[Callable[..., str]]:
        """Run several commands, which must succeed, in one process of its interpreter."""
        environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        with subprocess.Popen(
            [self.python, "-c", COMMANDS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environ,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            typed, shown = process.stdin, process.stdout

            def command(*arguments: str) -> str:
                print(json.dumps(arguments), file=typed, flush=True)
                code, out, err = json.loads(shown.readline())
                assert (code, err) == (0, ""), arguments
                return str(out)

            yield command
            typed.close()
            assert process.wait(240) == 0

    def terminal(self, code: str) -> str:
        """Run code in IPython."""
        ran = self.run("-m", "IPython", "-c", code)
        return ran.stdout + ran.stderr

    def tree(self) -> dict[str, tuple[int, bytes]]:
        """Return the mode and the bytes of every file and folder."""
        found = {}
        for root in self.trees:
            for path in root.rglob("*"):
                content = os.fsencode(path.readlink()) if path.is_symlink() else b""
                if path.is_file() and not path.is_symlink():
                    content = path.read_bytes()
                found[str(path)] = (path.lstat().st_mode, content)
        return found

    def kernelspec(self) -> str:
        """Return the name of a kernel of this environment."""
        folder = Path(os.environ["JUPYTER_DATA_DIR"]) / "kernels" / "temporary"
        folder.mkdir(parents=True, exist_ok=True)
        argv = [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": "temporary", "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(spec))
        return "temporary"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A Python environment of its own."""
    return Environment(tmp_path)


def furnish(environment: Environment, place: str) -> None:
    """Put start-up files, configuration in py and JSON, and another extension in a place."""
    startup = environment.startup(place)
    startup.mkdir(parents=True)
    (startup / "00-first.py").write_text("started = 'started'\n")
    (startup / "50-dev-analytics-of-mine.py").write_text("")
    (startup / "README").write_text("of IPython\n")
    profile = startup.parent
    (profile / "ipython_config.py").write_text(
        "c = get_config()\nc.InteractiveShellApp.exec_lines = ['configured = 1']\n"
    )
    (profile / "ipython_config.json").write_text(
        '{"InteractiveShellApp": {"extensions": ["autoreload"]}}'
    )


def clear(environment: Environment, place: str) -> None:
    """Take away what others have in a place."""
    profile = environment.startup(place).parent
    profile.rename(profile.with_name(f"was{place}"))


def test_remove_leaves_every_tree_as_it_was_before_enable(environment: Environment) -> None:
    with environment.commands() as command:
        for place in PLACES:
            startup = environment.startup(place)
            file = startup / "50-dev-analytics.py"
            for before in ("nothing", "an empty folder", "files of others"):
                case = f"{place} with {before}"
                if before == "an empty folder":
                    startup.mkdir(parents=True)
                elif before == "files of others":
                    startup.rmdir()
                    furnish(environment, place)
                then = environment.tree()
                said = command("enable", place)
                assert str(file) in said, case
                now = environment.tree()
                assert {path: now[path] for path in then} == then, f"{case}: something is touched"
                new = set(now) - set(then)
                assert str(file) in new, case
                assert new <= {str(file), *map(str, file.parents)}, case
                assert command("enable", place) == said, f"{case}: a second time changes something"
                assert environment.tree() == now, case
                assert str(file) in command("remove", place), case
                assert environment.tree() == then, case
                assert "There is no" in command("remove", place), case
                assert environment.tree() == then, case


@pytest.mark.parametrize("place", PLACES[1:])
def test_what_is_for_everybody_can_be_read_by_everybody(
    environment: Environment, place: str
) -> None:
    before = os.umask(0o077)
    try:
        environment.command("enable", place)
    finally:
        os.umask(before)
    file = environment.startup(place) / "50-dev-analytics.py"
    assert file.stat().st_mode & 0o777 == 0o644
    assert file.parent.stat().st_mode & 0o777 == 0o755


def test_the_three_places_do_not_disturb_each_other(environment: Environment) -> None:
    then = environment.tree()
    with environment.commands() as command:
        for place in PLACES:
            command("enable", place)
        for place in PLACES:
            files = re.findall(r"loaded by +(.*)", command("status"))[0].split(", ")
            assert str(environment.startup(place) / "50-dev-analytics.py") in files
            command("remove", place)
        assert "%load_ext dev_analytics only" in command("status")
    assert environment.tree() == then


def test_the_user_s_place_is_what_no_flag_means(environment: Environment) -> None:
    with environment.commands() as command:
        assert command("enable") == command("enable", "--user")
        command("remove")
    assert not environment.user.exists()


COLLECTING = """%load_ext dev_analytics
from dev_analytics import get_analytics
print("collecting", get_analytics().gate.now()[0].collecting)"""


def test_the_profile_goes_before_the_environment_and_that_before_the_machine(
    environment: Environment, data: Path
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    for folder, enabled in (
        (environment.system / "etc" / "ipython", False),
        (environment.prefix / "etc" / "ipython", True),
        (environment.user / "profile_default", False),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ipython_config.py").write_text(f"get_config().DevAnalytics.enabled = {enabled}")
        assert json.loads(environment.command("status", "--json"))["collecting"] == enabled
        assert f"collecting {enabled}" in environment.terminal(COLLECTING)


def test_a_broken_configuration_of_the_machine_leaves_that_of_the_user_in_force(
    environment: Environment, data: Path
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    for folder, text in (
        (environment.system / "etc" / "ipython", "1 / 0"),
        (environment.user / "profile_default", "get_config().DevAnalytics.enabled = False"),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ipython_config.py").write_text(text)
    assert not json.loads(environment.run("-m", "dev_analytics", "status", "--json").stdout)[
        "collecting"
    ]
    assert "collecting False" in environment.terminal(COLLECTING)


def theirs(shown: str) -> bool:
    """Return whether what others had put there works too."""
    return "theirs started 1 True" in shown


CODE = (
    "print('loaded', 'dev_analytics' in get_ipython().extension_manager.loaded); "
    "print('theirs', started, configured, "
    "'IPython.extensions.autoreload' in get_ipython().extension_manager.loaded)"
)


def test_a_terminal_loads_it_while_it_is_enabled(environment: Environment) -> None:
    for place in PLACES:
        furnish(environment, place)
        if place == PLACES[0]:
            assert "loaded False" in environment.terminal(CODE), "installing alone loads nothing"
        environment.command("enable", place)
        shown = environment.terminal(CODE)
        assert "loaded True" in shown, place
        assert theirs(shown), place
        environment.command("remove", place)
        shown = environment.terminal(CODE)
        assert "loaded False" in shown, place
        assert theirs(shown), place
        clear(environment, place)


@pytest.fixture
def lab(environment: Environment, until: Callable[..., None]) -> Iterator[httpx.Client]:
    """A JupyterLab of the environment, over its REST API."""
    log = environment.prefix / "lab.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(environment.python, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *("--port=0", "--ip=127.0.0.1", "--IdentityProvider.token=t"),
                f"--ServerApp.root_dir={ROOT}",
            ],
            stdout=out,
            stderr=out,
        )
    found: list[str] = []

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        found[:] = re.findall(r"http://127\.0\.0\.1:\d+/", log.read_text())
        return bool(found)

    until(ready)
    with httpx.Client(
        base_url=found[0], headers={"Authorization": "token t"}, timeout=240
    ) as client:
        yield client
    process.terminate()
    process.wait(240)


def test_a_lab_s_kernel_loads_it_while_it_is_enabled(
    environment: Environment, lab: httpx.Client
) -> None:
    name = environment.kernelspec()

    def shown() -> str:
        kernel = lab.post("api/kernels", json={"name": name}).json()["id"]
        file = Path(os.environ["JUPYTER_RUNTIME_DIR"]) / f"kernel-{kernel}.json"
        client = BlockingKernelClient(connection_file=str(file))
        client.load_connection_file()
        # Its heartbeat takes a kernel that is slow for a second for a dead one.
        client.start_channels(hb=False)
        client.wait_for_ready(timeout=240)
        outputs: list[dict[str, Any]] = []
        client.execute_interactive(CODE, timeout=240, output_hook=outputs.append)
        client.stop_channels()
        lab.delete(f"api/kernels/{kernel}")
        return "".join(output["content"].get("text", "") for output in outputs)

    with environment.commands() as command:
        for place in PLACES:
            furnish(environment, place)
            command("enable", place)
            seen = shown()
            assert "loaded True" in seen, place
            assert theirs(seen), place
            command("remove", place)
            if place != PLACES[-1]:
                clear(environment, place)
    seen = shown()
    assert "loaded False" in seen, "removed from each place"
    assert theirs(seen)


def test_it_is_never_loaded_twice(
    environment: Environment, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with environment.commands() as command:
        for place in PLACES:
            command("enable", place)
    monkeypatch.setenv("DEV_ANALYTICS_LOG", str(log.path))
    environment.terminal("%load_ext dev_analytics\n1 + 1")
    assert log.events.count("launched") == 1
    assert log.events.count("exited") == 1


def test_dev_with_it_loads_it_once(
    environment: Environment, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.command("enable", "--user")
    monkeypatch.setenv("DEV_ANALYTICS_LOG", str(log.path))
    dev = "from dev_analytics.apps.dev import main; main()"
    assert environment.run("-c", dev, "-c", LOADED).stdout == "loaded True\n"
    assert log.events.count("launched") == 1


GONE = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "dev_analytics":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Finder())
"""


def test_where_it_cannot_be_loaded_one_line_says_so_and_the_next_file_is_run(
    environment: Environment,
) -> None:
    environment.command("enable")
    (environment.startup("--user") / "60-after.py").write_text("print('after it')\n")
    environment.at_start(GONE.replace("ModuleNotFoundError(name)", 'RuntimeError("broken")'))
    ran = environment.run("-m", "IPython", "-c", "print(1)")
    assert (ran.returncode, ran.stdout) == (0, "after it\n1\n")
    assert ran.stderr == "dev_analytics is not loaded: RuntimeError('broken')\n"


def test_it_is_silent_when_the_package_is_gone(environment: Environment) -> None:
    environment.command("enable")
    environment.at_start(GONE)
    assert "ModuleNotFoundError" in environment.run("-c", "import dev_analytics").stderr
    ran = environment.run("-m", "IPython", "-c", "print(1)")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1\n", "")


def test_it_binds_no_name_and_prints_nothing(environment: Environment) -> None:
    names = "print(sorted(globals()))"
    before = environment.terminal(names)
    environment.command("enable")
    assert environment.terminal(names) == before


@pytest.mark.parametrize("word", ["enable", "remove"])
def test_somebody_s_own_file_of_this_name_stays(environment: Environment, word: str) -> None:
    startup = environment.startup("--user")
    startup.mkdir(parents=True)
    (startup / "50-dev-analytics.py").write_text("mine = 1\n")
    then = environment.tree()
    ran = environment.run("-m", "dev_analytics", word)
    assert ran.returncode == 1
    assert "was not made by dev_analytics, so it is left as it is" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert environment.tree() == then


def test_a_file_that_is_no_text_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "50-dev-analytics.py").write_bytes(b"\xff\xfe")
    assert not autoload._is_ours(tmp_path / "50-dev-analytics.py")


def test_a_system_without_a_folder_for_everybody_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    monkeypatch.setattr("IPython.core.application.SYSTEM_CONFIG_DIRS", [])
    assert main(["enable", "--system"]) == 1
    assert capsys.readouterr().err.endswith("enable: this system has no folder for everybody\n")


def test_a_file_of_an_older_version_is_renewed_and_still_knows_its_folders(
    environment: Environment,
) -> None:
    then = environment.tree()
    environment.command("enable")
    file = environment.startup("--user") / "50-dev-analytics.py"
    now = file.read_text()
    file.write_text(now.replace("    pass", "    pass  # as it once was"))
    environment.command("enable")
    assert file.read_text() == now
    environment.command("remove")
    assert environment.tree() == then


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_cannot_be_written_is_one_clear_line(
    environment: Environment, place: str
) -> None:
    startup = environment.startup(place)
    startup.parent.parent.mkdir(parents=True)
    startup.parent.write_text("a file where a folder should be")
    then = environment.tree()
    ran = environment.run("-m", "dev_analytics", "enable", place)
    assert ran.returncode == 1
    assert ran.stderr.startswith("python -m dev_analytics enable: ")
    assert ran.stderr.count("\n") == 1
    assert environment.tree() == then


def test_what_ipython_adds_meanwhile_stays(environment: Environment) -> None:
    environment.command("enable")
    environment.terminal("1")
    file = str(environment.startup("--user") / "50-dev-analytics.py")
    then = environment.tree()
    assert any("profile_default/history.sqlite" in path for path in then)
    environment.command("remove")
    left = {str(environment.startup("--user")), file}
    assert set(then) - set(environment.tree()) <= left
    assert file not in environment.tree()


def test_a_wheel_has_the_file_and_loads_nothing_by_itself(
    environment: Environment, tmp_path: Path
) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", tmp_path / "wheel", ROOT),
        ],
        check=True,
    )
    (file,) = (tmp_path / "wheel").iterdir()
    with zipfile.ZipFile(file) as wheel:
        names = wheel.namelist()
        wheel.extractall(tmp_path / "unpacked")
    assert not [name for name in names if "etc/ipython" in name]
    assert [name.partition(".data/")[2] for name in names if ".data/" in name] == [
        "data/etc/jupyter/jupyter_server_config.d/dev_analytics.json"
    ]
    (points,) = (tmp_path / "unpacked").glob("*.dist-info/entry_points.txt")
    assert re.findall(r"^\[.+\]", points.read_text(), re.MULTILINE) == [
        *("[console_scripts]", "[pytest11]")
    ], "nothing else has it loaded"
    assert "dev = dev_analytics.apps.dev:main" in points.read_text()
    assert "jupyter-dev-analytics = dev_analytics.__main__:main" in points.read_text()
    # The unpacked package goes before the checkout, whose files it must not need.
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'unpacked')!r}); "
    code += "from dev_analytics.apps import autoload; assert 'unpacked' in autoload.__file__; "
    code += "autoload._CHECKOUT = None; print(autoload.enable(autoload.Place.USER))"
    ran = environment.run("-c", code)
    assert ran.stdout.strip() == str(environment.startup("--user") / "50-dev-analytics.py")
