"""The magic ``%dev_analytics``: its words, their help and their completion.

The commands themselves are in `dev_analytics.apps.commands`, which is loaded with the first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.process.handlers import is_of_handler
from dev_analytics.process.native import system

if TYPE_CHECKING:
    from dev_analytics.analytics import Analytics
    from dev_analytics.apps.asking import Asking

NAME: Final = "dev_analytics"
WORDS: Final = ("status", "on", "off", "disable", "log", "preview", "schema", "report", "reset")
HELP: Final = """Anonymous analytics for dev: only if you agree, and never anything you write.

::

  %dev_analytics              the same as status
  %dev_analytics status       is it on, why, what was recorded, where the files are
  %dev_analytics on           switch this session on; asks you the first time
  %dev_analytics off          switch this session off
  %dev_analytics disable      opt out for ever, in every notebook and terminal
  %dev_analytics disable TOOL switch one other tool off for ever, and nothing else
  %dev_analytics on TOOL      undo that; asks you if you have not agreed to it
  %dev_analytics log FILE     append every event to FILE as JSON lines, sent or not
  %dev_analytics log          say which file that is
  %dev_analytics log --stop   end that
  %dev_analytics preview      show the newest records of this session, exactly: sent, or not
  %dev_analytics schema       show every event and property, and why it is collected
  %dev_analytics schema EVENT show one, or those of a TOOL; with --json its JSON Schema
  %dev_analytics report       count what was delivered to the archive on this machine
  %dev_analytics report FILE  count what an event log or an archive holds
      --since WHEN            leave out what is older: 2026-11-01, or 12h, 7d, 4w
      --html FILE             write it as one HTML page, in place of showing it
      --csv DIR               write each table as a CSV file into DIR
  %dev_analytics reset        forget your answer, also an opt-out; asks first
  %dev_analytics reset --yes  the same without asking
"""
"""What ``%dev_analytics?`` shows: not a docstring alone, which ``python -OO`` strips."""

_FLAGS: Final = {
    "log": ("--stop",),
    "schema": ("--json",),
    "report": ("--since", "--html", "--csv"),
    "reset": ("--yes",),
}
_WITH_PATHS: Final = ("log", "report")
_KEYS: Final = (NAME, f"%{NAME}")


UPDATED: Final = (
    "dev_analytics was updated on disk since it was loaded here: restart the kernel (or IPython), "
    "and try again"
)


def _on_disk() -> tuple[int, ...] | None:
    """Return what changes when the package is installed again; None if that is unknown."""
    try:
        status = system.stat(__file__)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


_LOADED: Final = _on_disk()


class DevAnalyticsMagics:
    """The magic in one shell.

    It is not a `Magics` of IPython: setting up its traits takes longer than all of this module.
    """

    def __init__(self, shell: Any, analytics: Analytics, asking: Callable[[], Asking]) -> None:
        self._of_shell = shell, analytics, asking

    def dev_analytics(self, line: str) -> None:
        """Run the command that `line` names; its help for users is `HELP`.

        Modules that a command loads may be of a newer version than those that it finds.
        """
        try:
            from dev_analytics.apps.commands import Commands

            shell, analytics, asking = self._of_shell
            Commands(shell, analytics, asking()).run(line)
        except Exception as error:
            from IPython.core.error import UsageError

            said = issubclass(type(error), UsageError)
            if said or is_of_handler(error) or _on_disk() == _LOADED:
                raise
            raise UsageError(UPDATED) from error

    dev_analytics.__doc__ = HELP


def register_magics(shell: Any, analytics: Analytics, asking: Callable[[], Asking]) -> None:
    """Register the magic and its completion in `shell`."""
    magic = DevAnalyticsMagics(shell, analytics, asking)
    shell.register_magic_function(magic.dev_analytics, "line", NAME)
    for key in _KEYS:
        shell.set_hook("complete_command", _complete, str_key=key)


def unregister_magics(shell: Any) -> None:
    """Remove both, wherever IPython keeps them: it has no call for that."""
    for key in _KEYS:
        shell.strdispatchers["complete_command"].strs.pop(key, None)
    shell.magics_manager.magics["line"].pop(NAME, None)
    # Last: IPython allows a shell to have none of these.
    vars(shell.magics_manager.user_magics).pop(NAME, None)


def begin_log(analytics: Analytics, file: str) -> str:
    """Begin an event log, and return in one line why that failed; empty if it did not."""
    try:
        analytics.log_to(Path(file))
    except (OSError, ValueError, RuntimeError) as error:
        return f"cannot write {file!r}: {getattr(error, 'strerror', None) or error}"
    return ""


def _complete(shell: Any, event: Any) -> list[str]:
    """Complete a word of the magic, a flag, or the path of a file."""
    from dev_analytics.tools.installed import known, tool_events

    words = event.text_until_cursor.split()[1:]
    if event.symbol and words:
        words.pop()
    if not words:
        return [word for word in WORDS if word.startswith(event.symbol)]
    flags = [flag for flag in _FLAGS.get(words[0], ()) if flag.startswith(event.symbol)]
    if words[0] == "schema" and not event.symbol.startswith("-"):
        from dev_analytics.catalogue.events import EVENTS

        names = [*EVENTS, *known(), *tool_events()]
        return flags + [name for name in names if name.startswith(event.symbol)]
    if words[0] in ("on", "disable"):
        return [name for name in known() if name.startswith(event.symbol)]
    if words[0] in _WITH_PATHS and not event.symbol.startswith("-"):
        return flags + list(shell.Completer.file_matches(event.symbol))
    return flags
