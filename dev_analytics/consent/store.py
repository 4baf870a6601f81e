"""The consent store: a folder of a few files that every process of the user shares.

``opted-out`` is the permanent opt-out: only its existence counts. It is written before anything
else happens, without waiting for a lock, and overrules every other file. Where ``XDG_DATA_HOME``
moves the store, it is written to, and looked for in, the usual place too. ``off.<tool>`` is the
same for one other tool. ``consent.json`` is replaced as a whole, under a lock, and so is
``tools.json`` with the other tools that the same answer covers. A file that cannot be read, parsed
or written, is another user's, or may be written by others, reads as *not agreed*: a fault can lose
a yes, never a no. What could not be read is read again at the next event.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.consent.answers import agreed, asked, kept
from dev_analytics.consent.decision import Consent
from dev_analytics.consent.durable import delete, mark, remove
from dev_analytics.consent.places import check_owner, read_own
from dev_analytics.consent.reading import OFF, OPTED_OUT, StoredConsent, words
from dev_analytics.process.descriptors import (
    make_folder,
    replace_content,
    replacement,
    standard_taken,
)
from dev_analytics.process.handlers import Refusals, pass_on
from dev_analytics.process.messages import plain
from dev_analytics.process.native import urandom
from dev_analytics.process.systems import sync_folder

if TYPE_CHECKING:
    from dev_analytics.consent.scope import Scope

LOCK_SECONDS: Final = 2.0
"""How long a process waits for another one that is writing, in seconds."""

_SAYS_OPTED_OUT: Final = (
    "The user opted out of dev's anonymous analytics: while this file exists, nothing is collected."
)
_SAYS_OFF: Final = (
    "The user switched this tool's analytics off: while this file exists, none of it is collected."
)


class ConsentStoreError(Exception):
    """The store could not be changed; the message says why in plain words."""


class ConsentStore(StoredConsent):
    """The consent of one user: what `StoredConsent` reads, and how it changes.

    The first change creates the data directory, with mode 0700.
    """

    other: ConsentStore | None

    def agree(
        self,
        notice: int,
        today: date,
        tools: Mapping[str, Scope] = {},
        recipients: Collection[str] = (),
    ) -> Consent:
        """Store a yes, as `answers.agreed` describes it, and return the resulting consent.

        An opt-out, seen or not, wins.

        Raises
        ------
        ConsentStoreError
            The yes could not be stored, so there is none.
        """
        return self._change(lambda before: agreed(before, notice, today, tools, recipients))

    def keep(
        self, notice: int, tools: Mapping[str, Scope] = {}, recipients: Collection[str] = ()
    ) -> Consent:
        """Store that the user refuses everything new, and return the resulting consent.

        Raises
        ------
        ConsentStoreError
            It could not be stored.
        """
        return self._change(lambda before: kept(before, notice, tools, recipients))

    def claim_question(self, may_ask: Callable[[Consent], bool], today: date) -> bool:
        """Record that the user is asked today; return False if the question may not be asked now.

        A user without a place in the sample is given one first, once and for ever.

        Raises
        ------
        ConsentStoreError
            It could not be stored. An answer could not be either, so do not ask.
        """
        claimed = False

        def claim(before: Consent) -> Consent:
            nonlocal claimed
            drawn = before if before.draw is not None else before.replace(draw=_draw())
            claimed = may_ask(drawn)
            return asked(drawn, today) if claimed else drawn

        self._change(claim)
        return claimed

    def opt_out(self) -> str:
        """Opt out for ever, then delete the answer and the identifier.

        Returns
        -------
        str
            Where else it could not be stored, and why; empty if it holds everywhere.

        Raises
        ------
        ConsentStoreError
            The opt-out could not be stored. The yes is deleted, if at least that was possible.
        """
        self._seen = None
        try:
            self._make_folder(replace_link=True)
            mark(self.marker, _SAYS_OPTED_OUT, self.file)
            sync_folder(self.folder)
        except OSError as error:
            if not os.path.lexists(self.marker):
                self._opt_out_of_other()
                delete(replacement(self.file), self.file)
                pass_on(error)
                raise ConsentStoreError(words(error)) from error
            pass_on(error)
        missed = self._opt_out_of_other()
        # A process that is writing now finds the marker afterwards, and deletes what it wrote.
        self.purge()
        return missed

    def _follow_other(self) -> None:
        """Opt out here too, so that a reset of the other place cannot revive a yes here.

        Nothing is written to a place in which nothing was ever kept. If it cannot be done now, it
        is tried again at the next read.
        """
        with Refusals():
            if not os.path.lexists(self.data) or self.has_opt_out():
                return
            self._make_folder(replace_link=True)
            mark(self.marker, _SAYS_OPTED_OUT, self.file)
        self.purge()

    def _forget(self) -> None:
        self.purge()

    def _opt_out_of_other(self) -> str:
        if self.other is None:
            return ""
        try:
            return self.other.opt_out()
        except ConsentStoreError as error:
            return (
                "It could not be stored for programs that keep their data in "
                f"{plain(self.other.data)}: {error}."
            )

    def switch_off(self, tool: str) -> None:
        """Switch another tool off for good, by a file: only its existence counts.

        Raises
        ------
        ConsentStoreError
            It could not be stored.
        """
        self._seen = None
        marker = self._off(tool)
        try:
            self._make_folder()
            mark(marker, _SAYS_OFF, self.tools_file)
            sync_folder(self.folder)
        except OSError as error:
            pass_on(error)
            if not os.path.lexists(marker):
                raise ConsentStoreError(words(error)) from error

    def switch_on(self, tool: str) -> bool:
        """Switch another tool on again, and return whether it was off.

        Raises
        ------
        ConsentStoreError
            It could not be undone.
        """
        self._seen = None
        marker = self._off(tool)
        was_off = os.path.lexists(marker)
        try:
            remove(marker)
        except OSError as error:
            pass_on(error)
            raise ConsentStoreError(words(error)) from error
        return was_off

    def purge(self) -> None:
        """Delete everything on this machine that carries an identifier, as far as possible."""
        from dev_analytics.consent.files import DamagedError, consent_of
        from dev_analytics.consent.traces import purge

        user_id = None
        with Refusals(DamagedError):
            user_id = consent_of(read_own(self.file)).user_id
        if not self.folder.is_symlink():
            delete(*self._answer_files())
        purge(self.data, user_id)

    def reset(self) -> None:
        """Forget everything: the answer, the identifier, the draw, and last of all the opt-out.

        Raises
        ------
        ConsentStoreError
            Something could not be deleted; an opt-out then still holds.
        """
        self._seen = None
        try:
            with self._lock(replace_link=True):
                off = [self.folder / name for name in self.off_names()]
                self.purge()
                for path in (*self._answer_files(), *off):
                    remove(path)
                if self.other is not None and os.path.lexists(self.other.folder):
                    self.other.reset()
                if self._is_usual:
                    # A yes in a moved place that is unknown here must not outlive the opt-out.
                    replace_content(self.epoch_file, urandom(4).hex().encode(), durable=True)
                remove(self.marker)
                sync_folder(self.folder)
        except OSError as error:
            pass_on(error)
            raise ConsentStoreError(words(error)) from error

    def _change(self, change: Callable[[Consent], Consent]) -> Consent:
        self._seen = None
        try:
            with self._lock():
                before = self.read()
                if before.opted_out or before.unreadable:
                    return before
                after = change(before)
                if after != before:
                    if after.user_id != before.user_id:
                        self._copy_epoch()
                    self._write(after)
                if self.read().opted_out:
                    delete(self.file, self.tools_file)
                    return OPTED_OUT
                return after
        except OSError as error:
            pass_on(error)
            if os.path.lexists(self.marker):
                # An opt-out came in between, and deleted the file that was being written.
                return OPTED_OUT
            raise ConsentStoreError(words(error)) from error

    def _off(self, tool: str) -> Path:
        return self.folder / f"{OFF}{tool}"

    def _copy_epoch(self) -> None:
        """Record the number of the usual place under which a yes is given."""
        if self.other is None:
            return
        if epoch := self.other.epoch():
            replace_content(self.epoch_file, epoch, durable=True)
        else:
            remove(self.epoch_file)

    def _write(self, consent: Consent) -> None:
        from dev_analytics.consent.files import consent_bytes

        if consent.tools or consent.kept_tools:
            from dev_analytics.consent.tool_files import tools_bytes

            replace_content(self.tools_file, tools_bytes(consent), durable=True)
        replace_content(self.file, consent_bytes(consent), durable=True)
        sync_folder(self.folder)

    def _answer_files(self) -> list[Path]:
        """Return the files with the answer, and what a killed writer left of new ones."""
        files = self.file, self.tools_file
        return [*map(replacement, files), *files]

    @contextlib.contextmanager
    def _lock(self, *, replace_link: bool = False) -> Iterator[None]:
        from filelock import FileLock, Timeout

        from dev_analytics.process.library_log import unlogged

        self._make_folder(replace_link=replace_link)
        try:
            with unlogged("filelock"), contextlib.ExitStack() as stack:
                with standard_taken():
                    file, given = self.data / "consent.lock", dict[str, Any](mode=0o600)
                    if hasattr(FileLock, "fallback_to_soft"):
                        # Where there are no locks, a newer one would warn the user, and lock by a
                        # file that a killed process leaves for ever.
                        given["fallback_to_soft"] = False
                    stack.enter_context(FileLock(file, timeout=LOCK_SECONDS, **given))
                yield
        except Timeout as error:
            raise TimeoutError("another process holds the consent store") from error
        except (NotImplementedError, OSError) as error:
            pass_on(error)
            # Versions of filelock report it in one way or the other.
            if isinstance(error, NotImplementedError) or error.errno == errno.ENOSYS:
                raise OSError("the file system has no locks") from error
            raise

    def _make_folder(self, *, replace_link: bool = False) -> None:
        """Create the folder, in a data directory that is the user's own.

        With `replace_link`, a link of its name is removed: nothing is written to where it leads.
        """
        if self._homeless:
            raise FileNotFoundError(self._homeless)
        check_owner(self.data)
        make_folder(self.data)
        if replace_link and self.folder.is_symlink():
            self.folder.unlink()
        make_folder(self.folder)


def _draw() -> float:
    """Draw from the system's randomness, so that a user's ``random.seed()`` has no part in it."""
    return int.from_bytes(urandom(8)) % 10_000 / 10_000
