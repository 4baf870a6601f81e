"""Build the wheel and the sdist, check both, and run the demo from the wheel alone.

``python scripts/dist.py`` makes everything in ``dist/`` anew. It fails if two builds differ by a
byte, if the wheel made from the sdist differs from the one made from the checkout, if an index
would not show the README, or if the wheel does not work in an empty environment. What that
environment contains in the end is written to ``build/``, as a bill of materials.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email import message_from_string
from pathlib import Path

from readme_renderer import markdown

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
REPOSITORY_ONLY = ("scripts/", "tests/", "notebooks/", "docs/")
"""Folders that the wheel must not have."""


def main() -> None:
    """Build, check, install and try the distributions.

    Raises
    ------
    SystemExit
        One of the checks failed; its message says which.
    """
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="dev-analytics-dist-") as folder:
        build(ROOT, DIST)
        build(ROOT, again := Path(folder, "again"))
        require_same(DIST, again, "two builds of the same commit")
        (built,), (source,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
        with tarfile.open(source) as archive:
            # Python 3.11.2, which Debian 12 has, knows no filter as an argument.
            archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
            archive.extractall(folder)  # noqa: S202 -- our own sdist
        build(
            Path(folder, source.name.removesuffix(".tar.gz")), from_sdist := Path(folder, "sdist")
        )
        require_same(DIST, from_sdist, "the wheels from the checkout and from the sdist", "*.whl")
        check_content(built)
        check_readme(built)
        run([sys.executable, "-m", "twine", "check", "--strict", built, source])
        try_wheel(built, Path(folder, "empty"))
    print(f"\n{built.relative_to(ROOT)}\n{source.relative_to(ROOT)}")


def build(project: Path, into: Path) -> None:
    """Build sdist and wheel of `project`; every file in them has the time of the newest commit."""
    asked = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    time = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    run(
        [sys.executable, "-m", "hatchling", "build", "--directory", into],
        cwd=project,
        env={**os.environ, "SOURCE_DATE_EPOCH": time},
    )


def require_same(one: Path, other: Path, what: str, files: str = "*") -> None:
    """Stop if two folders do not hold the same files of these names, byte for byte."""
    contents = [
        {file.name: file.read_bytes() for file in place.glob(files)} for place in (one, other)
    ]
    if contents[0] != contents[1]:
        sys.exit(f"not reproducible: {what} differ")


def check_content(wheel: Path) -> None:
    """Stop if the wheel lacks a file of the package, or has one that only the repository needs."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    if extra := sorted(name for name in names if name.startswith(REPOSITORY_ONLY)):
        sys.exit(f"{wheel.name} holds what only the repository needs: {', '.join(extra)}")
    listed = ["git", "-C", str(ROOT), "ls-files", "dev_analytics"]
    package = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\n")
    if missing := sorted(set(package) - {""} - names):
        sys.exit(f"{wheel.name} lacks {', '.join(missing)}")


def check_readme(wheel: Path) -> None:
    """Stop if the README is not one for a package index, which has no other file of ours.

    twine renders no Markdown: it takes any.
    """
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        readme = message_from_string(archive.read(name).decode()).get_payload()
    shown = markdown.render(str(readme))
    if not shown:
        sys.exit("the README cannot be rendered")
    if lost := re.findall(r'(?:href|src)="(?!https://|mailto:|#)([^"]*)"', shown):
        sys.exit(f"the README leads to what an index does not have: {', '.join(lost)}")
    if 'pip install ".' in str(readme):
        sys.exit("the README installs from a checkout, which nobody has who reads it on an index")


def try_wheel(wheel: Path, environment: Path) -> None:
    """Install nothing but the wheel and what it asks for, and use it as a user would."""
    run([sys.executable, "-m", "venv", environment])
    python = environment / "bin" / "python"
    own = {"HOME": str(environment), "PATH": f"{python.parent}:/usr/bin:/bin"}
    # The pip of a new environment may be too old to know dependency groups.
    install: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "-q"]
    run([*install, wheel])
    run(["jupyter-dev-analytics", "status"], cwd=environment, env=own)
    write_materials(wheel, python)
    run([*install, wheel, "--group", f"{ROOT / 'pyproject.toml'}:demo"])
    # No folder of the checkout is on the path of a script that lies in notebooks/.
    run([python, ROOT / "notebooks" / "demo.py"], cwd=environment, env=own)
    run(["jupyter", "dev-analytics", "status"], cwd=environment, env=own)


def write_materials(wheel: Path, python: Path) -> None:
    """Write a bill of materials of the environment of `python`, with versions and licences.

    It is not in ``dist/``: a package index takes only wheels and sdists.
    """
    project, version = wheel.name.split("-")[:2]
    file = ROOT / "build" / f"{project}-{version}.cdx.json"
    file.parent.mkdir(exist_ok=True)
    about: list[str | Path] = ["--pyproject", ROOT / "pyproject.toml", "--mc-type", "library"]
    # A licence that is told in words of one's own counts as a text.
    about.append("--gather-license-texts")
    written: list[str | Path] = [
        "--output-reproducible",
        "--output-format",
        "JSON",
        "--output-file",
        file,
    ]
    run([sys.executable, "-m", "cyclonedx_py", "environment", *about, *written, python])
    materials = json.loads(file.read_text("utf-8"))
    # The project itself stands at its head already; pip and setuptools made the environment.
    passed_over = {"dev-analytics", "pip", "setuptools"}
    kept = [each for each in materials["components"] if each["name"] not in passed_over]
    gone = {each["bom-ref"] for each in materials["components"]} - {
        each["bom-ref"] for each in kept
    }
    materials["components"] = kept
    materials["dependencies"] = [
        each for each in materials["dependencies"] if each["ref"] not in gone
    ]
    materials["metadata"]["component"]["version"] = version
    file.write_text(json.dumps(materials, indent=2) + "\n", "utf-8")


def run(command: list[str | Path], cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    """Run a command, and stop if it fails."""
    print("$", *command, flush=True)
    where = None if env is None else shutil.which(str(command[0]), path=env["PATH"])
    subprocess.run([where or command[0], *command[1:]], cwd=cwd, env=env, check=True)


if __name__ == "__main__":
    main()
