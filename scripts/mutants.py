"""Break a promise in one way after another, each in a copy, and expect a named test to fail.

``python scripts/mutants.py [WORD]`` tries all mutants, or those whose name contains the word. A
value passes two lines of defence, the observer and the vocabulary, so most mutants break both. The
exit status is 1 if one survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil
from mutant import Edit, Mutant
from shared import ROWS

ROOT: Final = Path(__file__).parent.parent
MADE: Final = frozenset({"build", "dist"})
"""What is made from the rest, and so is not copied; nor is what is hidden."""

ANSWERS: Final = "tests/privacy/test_answers.py::"
CELL: Final = f"{ANSWERS}test_what_a_cell_says_of_its_writer_is_a_word_of_ours"
DOCUMENT: Final = "tests/test_documents.py::test_every_event_and_property_stands_in_the_table"
SENT: Final = "tests/privacy/test_notebooks.py::test_nothing_that_somebody_wrote_is_left_anywhere"
TOOL: Final = "tests/privacy/test_hostile_tools.py::"
DECLARED: Final = f"{TOOL}test_what_may_not_be_declared_is_refused_where_it_is_installed"
HANDED: Final = f"{TOOL}test_what_it_hands_over_leaves_as_declared_or_not_at_all"
ASIDE: Final = "tests/delivery/test_allowed.py::test_a_record_that_says_anything_else_is_put_aside"
UPDATED: Final = f"{TOOL}test_an_update_that_says_more_is_withheld_until_it_is_agreed_to"


LOOSE: Final = Edit(
    "dev_analytics/catalogue/values.py",
    "                    return member\n        return OTHER",
    "                    return member\n        return value",
)
"""A word that is on no list passes as it is."""


UNCUT: Final = (
    Edit(
        "dev_analytics/pipeline.py",
        "            put_public_name(properties)\n",
        "            pass\n",
    ),
    Edit(
        "dev_analytics/pipeline.py",
        "        record = recording.record(event, accepted, at)\n",
        '        if event is LLMRequest and "model" in properties:\n'
        '            accepted["model"] = str(properties["model"])\n'
        "        record = recording.record(event, accepted, at)\n",
    ),
)
"""A model's name passes as whoever records it gives it."""


def error(new: str) -> Edit:
    """Return an edit by which an error is described by something else than its class."""
    return Edit("dev_analytics/observers/errors.py", '"exception": name,', f'"exception": {new},')


MUTANTS: Final = (
    Mutant("a variable's name let through", f"{CELL}[a variable's name]",
           (LOOSE, error('getattr(error, "name", None) or name'))),
    Mutant("a path let through", f"{CELL}[a path]",
           (LOOSE, error('getattr(error, "filename", None) or name'))),
    Mutant("the file of user code let through", f"{CELL}[a file's name]", (LOOSE, Edit(
        "dev_analytics/observers/errors.py",
        'return PACKAGES.find(package) or "user code"',
        'return PACKAGES.find(package) or (frame.f_code.co_filename if frame else "user code")'))),
    Mutant("a model named by a part of its name",
           "tests/catalogue/test_models.py::test_a_private_name_is_other",
           (Edit("dev_analytics/catalogue/models.py",
                 "    return ModelName(found or OTHER, PROVIDERS.find(prefix), fine_tuned)",
                 '    found = found or next((w for w in ("claude-3-opus",) if w in bare), None)\n'
                 "    return ModelName(found or OTHER, PROVIDERS.find(prefix), fine_tuned)"),)),
    Mutant("a provider named by a part of its host",
           "tests/catalogue/test_addresses.py::test_any_other_address_is_other",
           (Edit("dev_analytics/catalogue/addresses.py",
                 "    labels = host.split(\".\")\n",
                 "    labels = host.removesuffix(\".acme.internal\").split(\".\")\n"),)),
    Mutant("a package named by a part of its path",
           "tests/observers/test_installed.py::test_any_other_file_belongs_to_no_package",
           (Edit("dev_analytics/observers/installed.py",
                 "        if file.startswith(directory):",
                 "        file = file[max(file.find(directory), 0):]\n"
                 "        if file.startswith(directory):"),)),
    Mutant("exact token counts",
           "tests/catalogue/test_values.py::test_counts_are_rounded_and_capped",
           (Edit("dev_analytics/catalogue/values.py",
                 "        return rounded(min(value, self.most))",
                 "        return min(value, self.most)"),)),
    Mutant("an exception's message let through", f"{CELL}[a message]",
           (LOOSE, error("str(error)"))),
    Mutant("the hash of a message let through", f"{CELL}[a message]",
           (LOOSE, error('__import__("hashlib").md5(str(error.args[0]).encode()).hexdigest()'))),
    Mutant("a user's class name let through", f"{CELL}[a class]", (LOOSE, Edit(
        "dev_analytics/observers/errors.py",
        "return member if member is not None and _is_found_at(cls, module, qualname) else None",
        "return qualname"))),
    Mutant("an unlisted magic let through", f"{CELL}[a magic]", (LOOSE,)),
    Mutant("a free string property",
           "tests/privacy/test_payloads.py::"
           "test_every_property_is_a_number_a_boolean_a_version_or_of_a_closed_vocabulary",
           (Edit("dev_analytics/catalogue/events.py",
                 'duration_ms: Annotated[int, Duration("How long it ran.", "ms")]',
                 'duration_ms: Annotated[int, Duration("How long it ran.", "ms")]\n'
                 '    note: str = ""'),)),
    Mutant("a model's name uncut", f"{CELL}[a model]", UNCUT),
    Mutant("an SDK's model name uncut",
           "tests/observers/llm/test_openai.py::"
           "test_a_model_is_named_by_the_vocabulary[private-xanadu7-other-None]",
           UNCUT),
    Mutant("where an error was before it is raised again",
           "tests/observers/test_errors.py::"
           "test_the_old_frames_of_an_error_raised_again_are_left_out",
           (Edit("dev_analytics/observers/errors.py",
                 "if traceback is not first and _is_earlier(frame, first.tb_frame, followed):",
                 "if False:"),)),
    Mutant("cells of before a recording",
           "tests/test_analytics.py::"
           "test_no_time_span_and_no_number_of_cells_is_larger_than_its_recording[exited-False]",
           (Edit("dev_analytics/recording.py", "and cells > self.cells:", "and not cells:"),)),
    Mutant("an identifier before a yes",
           f"{ANSWERS}test_before_a_yes_there_is_no_identifier_and_no_record",
           (Edit("dev_analytics/recording.py",
                 "user_id = None if self.period is None else self.period.user_id",
                 "user_id = self.session_id"),)),
    Mutant("a record on disk before a yes",
           f"{ANSWERS}test_before_a_yes_there_is_no_identifier_and_no_record",
           (Edit("dev_analytics/pipeline.py",
                 "                if collecting:\n                    self.sink.accept(",
                 "                if True:\n                    self.sink.accept("),
            # The spool refuses it as well, for two reasons.
            Edit("dev_analytics/delivery/spool.py",
                 "if recipient != (delivery or Delivery).recipient:",
                 "if False:"),
            Edit("dev_analytics/delivery/spool.py",
                 "self._agrees = agrees", "self._agrees = lambda user_id: True"))),
    Mutant("an opt-out that does not purge",
           f"{ANSWERS}test_after_an_opt_out_nothing_identifying_is_left",
           (Edit("dev_analytics/consent/store.py",
                 "delete(*self._answer_files())\n        purge(self.data, user_id)\n",
                 "delete(*self._answer_files())\n"),)),
    Mutant("an object of the user asked for its text",
           "tests/privacy/test_hostile.py::test_a_hostile_object_is_called_by_ipython_alone[raise]",
           (Edit("dev_analytics/observers/cells.py",
                 "        if raised is None:\n",
                 "        repr(result.result)\n        if raised is None:\n"),)),
    Mutant("the user's variables told to the sender", f"{SENT}[customers]",
           (Edit("dev_analytics/process/detached.py", " if _is_needed(name)}", "}"),)),
    Mutant("a record's text in the sender's log", f"{SENT}[database]",
           (Edit("dev_analytics/delivery/notes.py",
                 'self._say(f"{number} delivered")',
                 'self._say(f"{number} delivered of {self._data}")'),)),
    Mutant("a request that says more than its record", f"{SENT}[database]",
           (Edit("dev_analytics/destinations/posthog_requests.py",
                 "batch = list(dict(zip(uuids, records, strict=True)).values())",
                 "batch = list(dict(zip(uuids, records, strict=True)).values())\n"
                 '        more = b\'"os": "%s", \' % __import__("platform").platform().encode()\n'
                 "        at = batch[0].index(b'\"$session_id\"')\n"
                 "        batch[0] = batch[0][:at] + more + batch[0][at:]"),)),
    Mutant("a free text of another tool",
           "tests/tools/test_declaration.py::test_an_open_property_is_refused[str]",
           (Edit("dev_analytics/tools/checks.py",
                 "if len(kinds) != 1 or type(kinds[0]) not in CLOSED:", "if False:"),)),
    Mutant("a tool's own objects used after a yes",
           f"{TOOL}test_what_it_changes_after_the_yes_changes_nothing"
           "[other words in the same dict]",
           (Edit("dev_analytics/tools/entry_points.py", "tool = sealed(found)", "tool = found"),)),
    Mutant("a tool's word that stands for another",
           f"{DECLARED}[a word that stands for another]",
           (Edit("dev_analytics/tools/checks.py",
                 "type(member) is not str or word != member:", "False:"),)),
    Mutant("a tool's word made on the machine", f"{DECLARED}[a word made at import]",
           (Edit("dev_analytics/tools/entry_points.py",
                 "if unwritten(tool, source) is not None:", "if False:"),)),
    Mutant("a tool's event of too many bits", f"{DECLARED}[more bits than 200]",
           (Edit("dev_analytics/tools/declaration.py", "if number > MAX_BITS:", "if False:"),)),
    Mutant("a property left out that counts for nothing",
           "tests/tools/test_information.py::test_the_bits_are_the_logarithm_of_all_possible_records",
           (Edit("dev_analytics/catalogue/information.py", " + (name in optional))", ")"),)),
    Mutant("a tool's title that speaks as another",
           "tests/tools/test_wording.py::test_a_title_with_somebody_else_s_name_is_refused[Dev]",
           (Edit("dev_analytics/tools/declaration.py",
                 "if fault := improper(self.title):", "if fault := '':"),)),
    Mutant("a tool's version handed over", f"{HANDED}[a version]",
           (Edit("dev_analytics/tools/installed.py",
                 "return {**given, **self.versions}", "return {**self.versions, **given}"),
            Edit("dev_analytics/tools/installed.py",
                 "if not self.versions.keys().isdisjoint(", "if not set().isdisjoint("))),
    Mutant("a tool's count as it is",
           "tests/tools/test_kinds.py::test_a_count_keeps_three_digits_and_its_bound",
           (Edit("dev_analytics/tools/kinds.py",
                 "near = super().accept(value)", "super().accept(value); near = value"),)),
    Mutant("a yes to a tool's notice alone", f"{UPDATED}[a word-1]",
           (Edit("dev_analytics/tools/terms.py",
                 "if agreed.covers(scope_of(tool)):", "if agreed.notice >= tool.notice:"),)),
    Mutant("a tool's meaning that nobody agreed to", f"{UPDATED}[another meaning-1]",
           (Edit("dev_analytics/tools/terms.py",
                 "yield place, frozenset({kind.meaning})", "yield place, frozenset()"),)),
    Mutant("a tool's terms that are not those of their digest",
           "tests/consent/test_scope.py::"
           "test_a_file_whose_terms_are_not_those_of_its_digest_covers_nothing",
           (Edit("dev_analytics/consent/tool_files.py", "scope.digest != each.digest or ", ""),)),
    Mutant("a tool's words that a reader takes for one",
           f"{DECLARED}[words that differ in capitals alone]",
           (Edit("dev_analytics/tools/checks.py",
                 "seen.setdefault(word.casefold(), word)", "seen.setdefault(word, word)"),)),
    Mutant("a tool's order in a question",
           f"{TOOL}test_a_question_about_more_words_shows_none_that_tells_its_reader_what_to_do",
           (Edit("dev_analytics/tools/offer.py",
                 "for word in new if not instruction(word)]", "for word in new]"),)),
    Mutant("a tool's name that is cut up",
           "tests/tools/test_wording.py::"
           "test_a_title_with_somebody_else_s_name_is_refused[d.e.v]",
           (Edit("dev_analytics/tools/wording.py",
                 "for part in accumulate(pieces[first:]):",
                 "for part in pieces[first : first + 1]:"),)),
    Mutant("a text as the package's version", f"{ASIDE}[a version of words]",
           (Edit("dev_analytics/delivery/form.py",
                 "and values.lib_version in RELEASES", "and values.lib_version"),)),
    Mutant("a version of more numbers than declared", f"{ASIDE}[a version of four numbers]",
           (Edit("dev_analytics/delivery/form.py",
                 r"(\.(0|[1-9][0-9]{0,3})){0,2}", r"(\.(0|[1-9][0-9]{0,3})){0,3}"),)),
    Mutant("a session's finer time", f"{ASIDE}[a session that begins at a finer time]",
           (Edit("dev_analytics/delivery/form.py", "% 1000 == 0", "% 1000 >= 0"),)),
    Mutant("a second zero", "tests/catalogue/test_values.py::test_there_is_one_zero[3--0.0]",
           (Edit("dev_analytics/catalogue/values.py",
                 'return abs(round(float(f"{value:.2g}"), self.decimals))',
                 'return round(float(f"{value:.2g}"), self.decimals)'),)),
    Mutant("a second zero in the spool", f"{ASIDE}[minus zero]",
           (Edit("dev_analytics/delivery/form.py",
                 ' and (value != 0 or str(value)[0] != "-")', ""),)),
    Mutant("a price that says something", f"{ASIDE}[a price of somebody else's machine]",
           (Edit("dev_analytics/delivery/form.py",
                 "        and (not priced or values.provider in OWN)\n", ""),)),
    Mutant("a place in another spelling",
           "tests/catalogue/test_values.py::"
           "test_a_place_is_one_of_the_shipped_files_letter_for_letter",
           (Edit("dev_analytics/catalogue/source.py",
                 "if not _is_spelled_so(file, folder):", "if False:"),)),
    Mutant("a tool that is off sent all the same",
           "tests/tools/test_switches.py::test_waiting_records_of_a_tool_that_is_off_are_never_sent",
           (Edit("dev_analytics/consent/decision.py",
                 "return agreed and tool not in self.tools_off", "return agreed"),)),
    Mutant("a stale document", DOCUMENT,
           (Edit("PRIVACY.md",
                 "| | `duration_ms` | How long it ran. |", "| | `duration_ms` | How it ran. |"),)),
    *ROWS,
)  # fmt: skip


def copied(folder: Path) -> None:
    """Copy the checkout, without what was generated, into `folder`."""
    for path in ROOT.iterdir():
        if path.name in MADE or path.name.startswith("."):
            continue
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, folder / path.name, ignore=ignored)
        else:
            shutil.copy2(path, folder / path.name)


def applied(edit: Edit, root: Path) -> str:
    """Return the text of a file with the edit made; raise if it does not fit exactly once."""
    text = (root / edit.file).read_text("utf-8")
    if text.count(edit.old) != 1:
        raise LookupError(f"{edit.file} has {text.count(edit.old)} of {edit.old!r}, and not one")
    return text.replace(edit.old, edit.new)


def tests(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """Run named tests in a copy, with the copy's package."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *names]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def kill_left(folder: Path) -> None:
    """Kill what a mutant in `folder` has started apart, such as a sender that never ends."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(str(folder) in argument for argument in process.cmdline()):
                process.kill()


def outcome(mutant: Mutant) -> str:
    """Make a mutant in a copy of its own, and return what its test made of it."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        copied(folder)
        for edit in mutant.edits:
            (folder / edit.file).write_text(applied(edit, folder), "utf-8")
        ran = tests(folder, mutant.test)
        kill_left(folder)
    # Only 1 says that a test has failed; a copy that does not even start proves nothing.
    return {0: "SURVIVED", 1: "caught"}.get(ran.returncode, f"BROKEN ({ran.returncode})")


def main(word: str) -> int:
    """Make the mutants whose name contains `word`, and print what became of each."""
    chosen = [mutant for mutant in MUTANTS if word in mutant.name]
    if not chosen:
        print(f"There is no mutant whose name contains {word!r}.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        copied(Path(name))
        sound = tests(Path(name), *dict.fromkeys(mutant.test for mutant in chosen))
        if sound.returncode:
            print(sound.stdout, "The tests fail without any mutation.", sep="\n", file=sys.stderr)
            return 1
    survived = 0
    print(f"{'mutation':<42} {'outcome':<9} test")
    for mutant in chosen:
        said = outcome(mutant)
        survived += said != "caught"
        print(f"{mutant.name:<42} {said:<9} {mutant.test.rpartition('::')[2]}", flush=True)
    print(f"{len(chosen) - survived} of {len(chosen)} caught")
    return 1 if survived or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
