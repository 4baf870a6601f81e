"""What a process of our own runs first, and what it leaves where it gets no further."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import dev_analytics
from dev_analytics import Analytics
from dev_analytics.consent.store import ConsentStore
from dev_analytics.process import entry
from dev_analytics.views.status import status_rows

ENTRY = Path(entry.__file__)
PACKAGE = Path(dev_analytics.__file__).parent


SENDER = "dev_analytics.delivery.sender_process"


def enter(data: Path, *flags: str, path: list[str], module: str = SENDER) -> None:
    content = json.dumps({"path": path, "options": {"data": str(data), "max_days": 30}})
    subprocess.run(
        [sys.executable, *flags, str(ENTRY), module],
        input=content.encode(),
        capture_output=True,
    )


def test_why_it_could_not_begin_is_said_until_one_does(data: Path, tmp_path: Path) -> None:
    """Its Python lacks what the package needs, as another one of the same name does."""
    data.mkdir(mode=0o700)
    analytics = Analytics(data)
    for flags, module in ((("-I", "-S"), SENDER), (("-I",), "dev_analytics.no_such_module")):
        enter(data, *flags, path=[str(PACKAGE.parent)], module=module)
        said = status_rows(analytics, analytics.gate.now()[0])
        assert said["sender"].startswith("could not begin: ModuleNotFoundError: no module ")
        assert (data / entry.FAILED).stat().st_mode & 0o777 == 0o600
        (data / entry.FAILED).write_text("of an earlier one")
    enter(data, "-I", path=[str(PACKAGE.parent)])
    assert "sender" not in status_rows(analytics, analytics.gate.now()[0])


def test_who_has_opted_out_finds_no_new_file(data: Path) -> None:
    ConsentStore(data).opt_out()
    before = sorted(data.rglob("*"))
    enter(data, "-I", path=["/nowhere"], module="dev_analytics.no_such_module")
    assert sorted(data.rglob("*")) == before


@pytest.mark.parametrize("there", [True, False])
def test_the_package_s_folder_comes_first_only_where_another_would_be_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: bool
) -> None:
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", list(before))
    package = str(PACKAGE.parent if there else tmp_path)
    entry._find_package(package, "/added", *before[:1])
    if there:
        assert sys.path == [*before, "/added"]
        return
    place = sys.path.index(str(tmp_path))
    standard = [each for each in before if each.endswith("lib-dynload")]
    assert sys.path.index(standard[0]) < place
    assert all(sys.path.index(each) > place for each in before if "-packages" in each)
    assert dev_analytics.__file__
