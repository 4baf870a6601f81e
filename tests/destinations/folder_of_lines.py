"""A folder of JSON lines in the data directory: a destination in one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dev_analytics.destinations import Destination, OwnFiles, Setting, destinations
from dev_analytics.destinations.transport import no_question


class FolderOfLines(Destination):
    name = "folder"
    title = "the folder of lines"
    settings = (
        Setting(
            "lines_per_file",
            takes=lambda value: value.isdecimal() and 1 <= int(value) <= 9999,
            help="How many records a file of the folder has.",
            allowed="a number from 1 to 9999",
            in_policy="records go to files of {} lines",
        ),
    )
    files = (OwnFiles(r"[0-9]{4}\.jsonl", folder="lines"),)

    def in_words(self, fields: Sequence[str]) -> str:
        return f"a folder of files with {fields[0]} lines"

    def open(self, data: Path, fields: Sequence[str]) -> Lines:
        return Lines(data / "lines", int(fields[0]))

    def status(self, data: Path) -> Mapping[str, str]:
        return {"lines": f"{len([*(data / 'lines').glob('*.jsonl')])} files"}


class Lines:
    """Writes each batch to a file of its own."""

    confirm: Callable[[], None]

    def __init__(self, folder: Path, batch_size: int) -> None:
        self.confirm = no_question
        self.batch_size = batch_size
        self._folder = folder

    def deliver(self, records: Sequence[bytes]) -> None:
        self.confirm()
        self._folder.mkdir(exist_ok=True)
        number = len([*self._folder.iterdir()])
        (self._folder / f"{number:04}.jsonl").write_bytes(b"\n".join(records) + b"\n")


destinations()[FolderOfLines.name] = FolderOfLines()
