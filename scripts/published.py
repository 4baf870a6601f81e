"""Look up each name in scripts/vocabularies/published.txt at the address above it.

``python scripts/published.py [--cache DIR]`` fetches wheels with pip, and files by their address.
It names what it does not find, and then exits with 1. What is in DIR is not fetched again.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from vocabularies.published import Published, sections

_RELEASE: Final = re.compile(r"https://pypi\.org/project/([a-z0-9-]+)/([0-9.]+)/")
_TEXTS: Final = frozenset({".py", ".json", ".md", ".yaml"})


def missing(section: Published, text: str) -> list[str]:
    """Return the names that are no whole words of `text`."""
    return [
        name
        for name in section.names
        if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-]|\.\w)", text)
    ]


def text_at(address: str, cache: Path) -> str:
    """Return the text of the file, or of all files in the wheel, that `address` names."""
    release = _RELEASE.fullmatch(address)
    if release is None:
        file = cache / address.rpartition("/")[2]
        if not file.exists():
            with urlopen(address, timeout=60) as answer:  # noqa: S310  https, from our own file
                file.write_bytes(answer.read())
        return file.read_text("utf-8")
    name, version = release.groups()
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    if not any(cache.glob(pattern)):
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest")
        subprocess.run([*pip, str(cache), f"{name}=={version}"], check=True)
    with zipfile.ZipFile(next(cache.glob(pattern))) as wheel:
        files = [each for each in wheel.namelist() if Path(each).suffix in _TEXTS]
        return "\n".join(wheel.read(each).decode("utf-8", "replace") for each in files)


def main(arguments: list[str] | None = None) -> int:
    """Look every name up; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep what is fetched here")
    cache: Path | None = parser.parse_args(arguments).cache
    lacking = 0
    with tempfile.TemporaryDirectory() as folder:
        for section in sections():
            absent = missing(section, text_at(section.address, cache or Path(folder)))
            lacking += len(absent)
            print(f"{section.address}: {len(section.names)} names", *absent, sep="\n  lacks ")
    return int(bool(lacking))


if __name__ == "__main__":
    sys.exit(main())
