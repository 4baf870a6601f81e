"""The words of the commands: each is explained, by itself and in the documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dev_analytics.apps.jupyter import main
from dev_analytics.apps.maintainer.command import TASKS
from dev_analytics.maintainer.project import HOST_VARIABLE, KEY_VARIABLE, PROJECT_VARIABLE
from dev_analytics.maintainer.questions import questions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/for-maintainers.md").read_text("utf-8")


@pytest.mark.parametrize("word", TASKS)
def test_every_task_has_help_and_stands_in_the_documents(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["--help"], ["maintainer", "--help"], ["maintainer", word, "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert ("maintainer" if arguments == ["--help"] else word) in shown
    assert f"jupyter dev-analytics maintainer {word}" in PAGE
    assert f"`{word}`" in (ROOT / "docs/commands.md").read_text("utf-8")
    assert f"{word}`" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_every_question_and_variable_is_explained() -> None:
    for question in questions():
        assert f"| `{question.name}.sql` | {question.title} |" in PAGE
    for variable in (KEY_VARIABLE, PROJECT_VARIABLE, HOST_VARIABLE):
        assert f"| `{variable}` |" in PAGE


def test_the_recommended_first_commands_work(
    population: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line by line, with fewer users, but for the installation."""
    tried = PAGE.partition("## Try it first")[2].partition("```\n")[2].partition("```")[0]
    install, make, *asked = tried.splitlines()
    assert install == 'pip install ".[maintainer,report]"'
    assert make == "python notebooks/population.py events.jsonl"
    monkeypatch.chdir(tmp_path)
    population.main(Path("events.jsonl"), 300)
    for command in asked:
        program, word, *arguments = command.split()
        assert (program, word) == ("jupyter", "dev-analytics")
        assert main(arguments) == 0
    assert "at least" in Path("page/index.html").read_text("utf-8")
