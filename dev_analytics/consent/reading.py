"""Reads the consent store, at the cost of one ``stat`` if nothing changed.

A folder that is looked at again within `HELD_SECONDS` is looked at by its descriptor, which takes
half the time. That shows every change in the folder and of its place in the data directory. Only
that a folder above was moved or closed to reading, or that something was mounted over one of them,
is seen when the path is looked up again.

A file that cannot be read or parsed reads as *not agreed*, and so does one that is another user's,
or that others may write. What could not be read is read again at the next event, never remembered.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from dev_analytics.consent.decision import Consent
from dev_analytics.consent.environment import Place, place_of
from dev_analytics.consent.places import check, read_own
from dev_analytics.process.forks import unforked
from dev_analytics.process.handlers import pass_on
from dev_analytics.process.native import Clock, seconds, system
from dev_analytics.process.systems import identity

if TYPE_CHECKING:
    from dev_analytics.consent.held_folder import HeldFolder

SETTLED_NS: Final = 2_000_000_000
"""How long after a change, in ns, a folder may change again without a new time stamp: the coarsest
file system in use has stamps of 2 s."""

HELD_SECONDS: Final = 0.01
"""How long a folder is looked at by its descriptor before its path is looked up again."""

OFF: Final = "off."
"""With a tool's name after it, this is the name of the file that switches the tool off."""

_CAN_HOLD: Final = hasattr(system, "O_DIRECTORY")
_OFF_NAME: Final = r"(?a:off\.[a-z][a-z0-9_]{1,29})"
_HOMELESS: Final = "there is no home directory to keep it in"
OPTED_OUT: Final = Consent(opted_out=True)
Stamp: TypeAlias = tuple[int, int, int]
"""The times of a folder, and its number. A program that copies files may put the time of its
content back (mtime), but not that of any change (ctime), such as that of its owner or mode."""


class StoredConsent:
    """The files of one user's consent; reading them creates nothing.

    Parameters
    ----------
    data
        The data directory.
    place
        The same, as it was determined earlier; None determines it now.

    Attributes
    ----------
    other
        The store in the usual place, if ``XDG_DATA_HOME`` moves this one: an opt-out there holds
        here.
    """

    def __init__(self, data: Path, place: Place | None = None) -> None:
        place = place or place_of(data)
        self.data = data
        self.folder = data / "consent"
        self.file = self.folder / "consent.json"
        self.marker = self.folder / "opted-out"
        self.tools_file = self.folder / "tools.json"
        self.other: StoredConsent | None = None
        if place.other is not None:
            self.other = type(self)(place.other)
        self.epoch_file = self.folder / "epoch"
        self._is_usual = place.is_usual
        # As bytes: the name of the folder would be encoded anew for every event.
        self._watched = os.fsencode(self.folder)
        self._homeless = "" if data.is_absolute() else _HOMELESS
        self._absent: Consent | None = None
        self._seen: tuple[tuple[object, ...], Consent] | None = None
        self._held: HeldFolder | None = None
        self._held_until = 0.0

    def current(self, now: float = inf) -> Consent:
        """Return the current consent, with one ``stat`` if nothing changed.

        It raises nothing but what a signal handler of the user's raises meanwhile.

        An `other` store takes one more.

        Parameters
        ----------
        now
            The time of the monotonic clock; without it the path is looked up in any case.
        """
        seen = self._seen
        if now < self._held_until and seen is not None and (held := self._held) is not None:
            try:
                status = system.fstat(held.descriptor)
                if seen[0] == (status.st_mtime_ns, status.st_ctime_ns, status.st_ino, None):
                    return seen[1]
            except OSError as error:
                pass_on(error)
            # The folder has changed, or the user's code has closed its descriptor. At once, as the
            # next folder may get the same number.
            held.close()
        try:
            beside = None if self.other is None else self.other.stamp()
            status = system.lstat(self._watched)
        except FileNotFoundError:
            if self._absent is not None and self.other is None:
                return self._absent
            return self._read_absent()
        except OSError as error:
            pass_on(error)
            return Consent(unreadable=words(error))
        state = status.st_mtime_ns, status.st_ctime_ns, status.st_ino, beside
        if seen is not None and seen[0] == state:
            if _CAN_HOLD and now < inf and beside is None and seen[1].user_id is not None:
                self._hold(status, now)
            return seen[1]
        consent, lasting = self._read()
        newest = status.st_mtime_ns if beside is None else max(status.st_mtime_ns, beside[0])
        settled = seconds() * 1e9 - newest > SETTLED_NS and not Clock.is_faked
        self._seen = (state, consent) if lasting and settled else None
        return consent

    def _hold(self, status: os.stat_result, now: float) -> None:
        """Let the next looks be at the descriptor of the folder that has this `status`."""
        held = self._held
        if held is None or held.identity != identity(status):
            with unforked():
                from dev_analytics.consent.held_folder import hold

            try:
                held = self._held = hold(self.folder, identity(status))
            except OSError as error:
                pass_on(error)
                return
        if held.identity == identity(status):
            self._held_until = now + HELD_SECONDS

    def stamp(self) -> Stamp:
        """Return a value that changes when one of the files does; zeros if there is no folder."""
        try:
            status = system.lstat(self._watched)
            if stat.S_ISLNK(status.st_mode):
                status = system.stat(self._watched)
        except FileNotFoundError:
            return (0, 0, 0)
        except OSError as error:
            pass_on(error)
            raise _at(self.data, error) from None
        return status.st_mtime_ns, status.st_ctime_ns, status.st_ino

    def read(self) -> Consent:
        """Read the files; raises nothing, as `current` does."""
        return self._read()[0]

    def has_opt_out(self) -> bool:
        """Return whether the opt-out is in this store."""
        try:
            system.lstat(self.marker)
        except FileNotFoundError:
            return False
        return True

    def off_names(self) -> list[str]:
        """Return the names of the files that switch a tool off."""
        try:
            names = system.listdir(str(self.folder))
        except FileNotFoundError:
            return []
        # Few users have such a file, and the pattern is compiled for the first one only.
        return [name for name in names if name.startswith(OFF) and re.fullmatch(_OFF_NAME, name)]

    def _other_has_opt_out(self) -> bool:
        if self.other is None:
            return False
        try:
            return self.other.has_opt_out()
        except OSError as error:
            pass_on(error)
            raise _at(self.other.data, error) from None

    def _follow_other(self) -> None:
        """Opt out here too; only `ConsentStore` does, which reads where there are two places."""

    def _read(self) -> tuple[Consent, bool]:
        """Return the consent, and whether it holds until a file changes."""
        if self._homeless:
            return Consent(unreadable=self._homeless), True
        try:
            if self.has_opt_out():
                return OPTED_OUT, True
            if self._other_has_opt_out():
                self._follow_other()
                return OPTED_OUT, True
            check(self.data)
            try:
                content = read_own(self.file)
            except FileNotFoundError:
                return Consent(tools_off=self._tools_off()), True
            consent, lasting = self._understood(content)
            if consent.user_id is not None and self._was_forgotten():
                self._forget()
                return Consent(tools_off=consent.tools_off), True
            return consent, lasting
        except OSError as error:
            pass_on(error)
            return Consent(unreadable=words(error)), False

    def epoch(self) -> bytes:
        """Return the number that every reset of the usual place replaces; empty before the first.

        A yes in a moved place holds while the number is the one under which it was given.

        Raises
        ------
        OSError
            It cannot be read, or is not only the user's.
        """
        try:
            return read_own(self.epoch_file)
        except FileNotFoundError:
            return b""

    def _was_forgotten(self) -> bool:
        if self.other is None:
            return False
        try:
            return self.epoch() != self.other.epoch()
        except OSError as error:
            pass_on(error)
            raise _at(self.other.data, error) from None

    def _forget(self) -> None:
        """Delete a yes that a reset of the other place has made void; only `ConsentStore` does."""

    def _read_absent(self) -> Consent:
        consent, lasting = self._read()
        if lasting and consent == Consent(unreadable=self._homeless):
            # The same object while nothing changes: the gate compares by identity.
            self._absent = self._absent or consent
            return self._absent
        return consent

    def _understood(self, content: bytes) -> tuple[Consent, bool]:
        """Return the consent, and whether it lasts; a bad ``tools.json`` agrees to no tool."""
        with unforked():
            from dev_analytics.consent.files import DamagedError, consent_of

        try:
            consent = consent_of(content)
        except DamagedError:
            return Consent(unreadable="consent.json is damaged"), True
        lasting = True
        try:
            tools = read_own(self.tools_file)
        except FileNotFoundError:
            pass
        except OSError as error:
            pass_on(error)
            lasting = False
        else:
            with unforked():
                from dev_analytics.consent.tool_files import with_tools

            with suppress(DamagedError):
                consent = with_tools(consent, tools)
        return consent.replace(tools_off=self._tools_off()), lasting

    def _tools_off(self) -> frozenset[str]:
        return frozenset(name.removeprefix(OFF) for name in self.off_names())


def words(error: OSError) -> str:
    """Return why an operation failed, in words without a path."""
    return error.strerror or str(error)


def _at(data: Path, error: OSError) -> OSError:
    from dev_analytics.process.messages import plain

    return OSError(f"{plain(data)}: {words(error)}")
