"""A third destination, declared in one file: from its setting to an opt-out that leaves nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RECORD = """
import folder_of_lines
from traitlets.config import Config, Configurable
from dev_analytics.analytics import Analytics
from dev_analytics.config import load_settings
from dev_analytics.consent.asking.question import Answer, first

config = Config({"DevAnalytics": {"lines_per_file": sys.argv[1]}})
analytics = Analytics(delivery=load_settings(Configurable(config=config)).delivery, strict=True)
question = first([], analytics.gate.recipient)
print(question.receives)
analytics.gate.answer(Answer.YES, [], question.recipients)
for number in range(5):
    analytics.event("cell_executed", outcome="ok", duration_ms=number)
records = [each.record.decode() for each in analytics.pipeline.preview]
analytics.delivery = None  # it starts no sender
analytics.pipeline.sink.close(at_exit=False)
print(*records, sep="\\n")
"""
SEND = """import folder_of_lines, json
from dev_analytics.delivery.sender_process import run
run(**json.loads(sys.argv[1]))
"""
STATUS = """
import folder_of_lines
from dev_analytics import get_analytics
from dev_analytics.views.status import status
print(status(get_analytics(), get_analytics().gate.decision(can_answer=False)))
"""
OPT_OUT = """
import folder_of_lines
from dev_analytics import get_analytics
get_analytics().gate.store.opt_out()
"""


def run(code: str, *arguments: str) -> list[str]:
    """Run a program in a process of its own, in which the destination is declared."""
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); {code.lstrip()}"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_a_third_destination_is_one_file_and_an_opt_out_leaves_nothing_of_it(data: Path) -> None:
    asked, *records = run(RECORD, "2")
    assert asked == "The records would be sent to a folder of files with 2 lines."
    consent = json.loads((data / "consent/consent.json").read_bytes())
    assert consent["recipients"] == ["archive", "folder 2"]
    foreign = data / "lines/thesis.txt"
    foreign.parent.mkdir()
    foreign.write_text("four years")

    run(SEND, json.dumps({"data": str(data), "max_days": 30, "recipient": "folder 2"}))
    files = sorted((data / "lines").glob("*.jsonl"))
    delivered = [line for file in files for line in file.read_text("utf-8").splitlines()]
    assert delivered == records
    assert len(files) == 3
    assert not (data / "archive.sqlite").exists()

    shown = "\n".join(run(STATUS))
    assert "the archive on this machine, a folder of files with 2 lines" in shown
    assert "3 files" in shown
    assert "5, last at" in shown

    run(OPT_OUT)
    left = [file for file in data.rglob("*") if file.is_file()]
    identifier = consent["user_id"].encode()
    assert [file for file in left if identifier in file.read_bytes()] == []
    assert [*(data / "lines").iterdir()] == [foreign]


def test_a_value_that_the_setting_does_not_take_is_refused_by_its_name() -> None:
    refused = """
import folder_of_lines
from traitlets.config import Config, Configurable
from dev_analytics.config import load_settings
from dev_analytics.consent.environment import SettingError

try:
    load_settings(Configurable(config=Config({"DevAnalytics": {"lines_per_file": "two"}})))
except SettingError as error:
    print(error)
"""
    (said,) = run(refused)
    assert said.startswith(
        "c.DevAnalytics.lines_per_file must be a number from 1 to 9999, got 'two'"
    )
