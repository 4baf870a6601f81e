"""The consent store: a folder of few files that every process of the user shares.

``opted-out`` is the permanent opt-out: that it exists is all that counts. It is written before
anything else happens, without waiting for a lock, and beats whatever stands beside it.
``off.<tool>`` is the same for one other tool. ``consent.json`` is replaced whole, under a lock,
and so is ``tools.json`` with the other tools that the same answer covers. What cannot be read,
parsed or written reads as *not agreed*: a fault can lose a yes, never a no. The identifier is made
here and nowhere else.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dev_analytics.consent.decision import Consent
from dev_analytics.consent.durable import delete, mark, remove, replace, sync
from dev_analytics.consent.recipients import ARCHIVE

if TYPE_CHECKING:
    from dev_analytics.consent.scope import Scope

LOCK_SECONDS: Final = 2.0
"""How long a writer waits for another one, in seconds."""

SETTLED_NS: Final = 2_000_000_000
"""A folder changed less than this ago, in ns, may change again within one tick of its clock,
which is 2 s on the coarsest file system in use."""

_OFF: Final = "off."
"""Before a tool's name, the name of the file that switches it off."""

_HOMELESS: Final = "there is no home directory to keep it in"
_IDENTIFYING: Final = ("spool/*", "archive.sqlite*", "quarantine", "ledger.json")
"""What delivery keeps beside the consent, and must not outlive it."""


class ConsentStoreError(Exception):
    """The store could not be changed; the message says why, in plain words."""


class ConsentStore:
    """The consent of one user.

    Parameters
    ----------
    data
        The data directory. It is made, with mode 0700, by the first write; reading makes nothing.
    """

    def __init__(self, data: Path) -> None:
        self.data = data
        self.folder = data / "consent"
        self.file = self.folder / "consent.json"
        self.marker = self.folder / "opted-out"
        self.tools_file = self.folder / "tools.json"
        self._new = self.folder / "consent.json.new"
        self._tools_new = self.folder / "tools.json.new"
        self._watched = str(self.folder)
        self._absent = Consent(unreadable="" if data.is_absolute() else _HOMELESS)
        self._seen: tuple[tuple[int, int], Consent] | None = None

    def current(self) -> Consent:
        """Give the consent as it is now, for one ``stat`` if nothing changed; never raises."""
        try:
            status = os.stat(self._watched)  # noqa: PTH116, the hot path
        except FileNotFoundError:
            return self._absent
        except OSError as error:
            return Consent(unreadable=_words(error))
        state = (status.st_mtime_ns, status.st_ino)
        seen = self._seen
        if seen is not None and seen[0] == state:
            return seen[1]
        consent = self.read()
        settled = time.time_ns() - status.st_mtime_ns > SETTLED_NS
        self._seen = (state, consent) if settled else None
        return consent

    def read(self) -> Consent:
        """Read the files; never raises."""
        if self._absent.unreadable:
            return self._absent
        try:
            with contextlib.suppress(FileNotFoundError):
                self.marker.lstat()
                return Consent(opted_out=True)
            try:
                content = self.file.read_bytes()
            except FileNotFoundError:
                return Consent(tools_off=self._read_off())
            return self._understood(content)
        except OSError as error:
            return Consent(unreadable=_words(error))

    def agree(
        self,
        notice: int,
        today: date,
        tools: Mapping[str, Scope] = {},
        recipients: Collection[str] = (),
    ) -> Consent:
        """Store a yes to `notice` and to what `tools` declare, and give the consent that now holds.

        It is given to `recipients`, to those of an earlier yes, and always to the archive.

        A user who agreed before keeps the identifier. An opt-out, seen or not, wins.

        Raises
        ------
        ConsentStoreError
            The yes could not be stored, so there is none.
        """

        def yes(before: Consent) -> Consent:
            import uuid

            from dev_analytics.consent.scope import joined, uncovered

            # Another version of a tool, in another environment, keeps what it was agreed to.
            agreed = joined(before.tools if before.user_id else {}, tools)
            return before.replace(
                user_id=before.user_id or str(uuid.uuid4()),
                notice=notice,
                kept_notice=0,
                recipients=before.recipients | {ARCHIVE, *recipients},
                kept_recipients=before.kept_recipients - {*recipients},
                answered_on=today,
                asked_on=None,
                tools=agreed,
                kept_tools=uncovered(before.kept_tools, agreed),
            )

        return self._change(yes)

    def keep(
        self, notice: int, tools: Mapping[str, Scope] = {}, recipients: Collection[str] = ()
    ) -> Consent:
        """Store that the user wants nothing of what is new, and give what now holds.

        New are what these add and those of `recipients` that the yes does not name.

        Raises
        ------
        ConsentStoreError
            It could not be stored.
        """

        def kept(before: Consent) -> Consent:
            if before.user_id is None:
                return before
            from dev_analytics.consent.scope import joined

            kept_tools = joined(before.kept_tools, tools)
            return before.replace(
                kept_notice=notice,
                kept_tools=kept_tools,
                kept_recipients=before.kept_recipients | ({*recipients} - before.recipients),
                asked_on=None,
            )

        return self._change(kept)

    def claim_question(self, may_ask: Callable[[Consent], bool], today: date) -> bool:
        """Note that the user is asked today; False if, as it stands now, nobody may ask.

        A user who has no place in the sample yet is given one first, once for ever.

        Raises
        ------
        ConsentStoreError
            It could not be stored; an answer could not either, so do not ask.
        """
        claimed = False

        def asked(before: Consent) -> Consent:
            nonlocal claimed
            drawn = before if before.draw is not None else before.replace(draw=_draw())
            claimed = may_ask(drawn)
            return drawn.replace(asked_on=today) if claimed else drawn

        self._change(asked)
        return claimed

    def opt_out(self) -> None:
        """Opt out for ever, then delete the answer and the identifier.

        Raises
        ------
        ConsentStoreError
            The opt-out could not be stored. The yes is deleted if that much was possible.
        """
        self._seen = None
        try:
            self._make_folder()
            mark(self.marker, self.file)
            sync(self.folder)
        except OSError as error:
            if not os.path.lexists(self.marker):
                delete(self._new, self.file)
                raise ConsentStoreError(_words(error)) from error
        # Whoever writes now finds the marker after its write, and deletes what it wrote.
        self.purge()

    def switch_off(self, tool: str) -> None:
        """Switch another tool off for good: an empty file, and that it exists is all that counts.

        Raises
        ------
        ConsentStoreError
            It could not be stored.
        """
        self._seen = None
        marker = self._off(tool)
        try:
            self._make_folder()
            mark(marker, self.tools_file)
            sync(self.folder)
        except OSError as error:
            if not os.path.lexists(marker):
                raise ConsentStoreError(_words(error)) from error

    def switch_on(self, tool: str) -> bool:
        """Undo that, and tell whether it was off.

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
            raise ConsentStoreError(_words(error)) from error
        return was_off

    def purge(self) -> None:
        """Delete all that carries an identifier on this machine; what cannot be stays."""
        delete(self._new, self.file, self._tools_new, self.tools_file)
        for pattern in _IDENTIFYING:
            delete(*self.data.glob(pattern))

    def reset(self) -> None:
        """Forget everything: answer, identifier, draw, and last of all the opt-out.

        Raises
        ------
        ConsentStoreError
            Something could not be deleted; an opt-out then still stands.
        """
        self._seen = None
        try:
            with self._lock():
                off = self.folder.glob(f"{_OFF}*")
                for path in (self._new, self.file, self._tools_new, self.tools_file, *off):
                    remove(path)
                self.purge()
                remove(self.marker)
                sync(self.folder)
        except OSError as error:
            raise ConsentStoreError(_words(error)) from error

    def _change(self, change: Callable[[Consent], Consent]) -> Consent:
        self._seen = None
        try:
            with self._lock():
                before = self.read()
                if before.opted_out or before.unreadable:
                    return before
                after = change(before)
                if after != before:
                    self._write(after)
                if os.path.lexists(self.marker):
                    delete(self.file, self.tools_file)
                    return Consent(opted_out=True)
                return after
        except OSError as error:
            if os.path.lexists(self.marker):
                # An opt-out came in between, and took the file that was being written.
                return Consent(opted_out=True)
            raise ConsentStoreError(_words(error)) from error

    def _off(self, tool: str) -> Path:
        return self.folder / f"{_OFF}{tool}"

    def _read_off(self) -> frozenset[str]:
        """Give the tools that are switched off.

        Raises
        ------
        OSError
            The folder cannot be listed.
        """
        try:
            names = os.listdir(self._watched)  # noqa: PTH208, the hot path after a change
        except FileNotFoundError:
            return frozenset()
        return frozenset(name.removeprefix(_OFF) for name in names if name.startswith(_OFF))

    def _understood(self, content: bytes) -> Consent:
        """Give the consent; what cannot be read of other tools was not agreed to.

        Raises
        ------
        OSError
            The folder cannot be listed.
        """
        from dev_analytics.consent.files import DamagedError, consent_of, with_tools

        try:
            consent = consent_of(content)
        except DamagedError:
            return Consent(unreadable="consent.json is damaged")
        with contextlib.suppress(OSError, DamagedError):
            consent = with_tools(consent, self.tools_file.read_bytes())
        return consent.replace(tools_off=self._read_off())

    def _write(self, consent: Consent) -> None:
        from dev_analytics.consent.files import consent_bytes, tools_bytes

        if consent.tools or consent.kept_tools:
            replace(self.tools_file, self._tools_new, tools_bytes(consent))
        replace(self.file, self._new, consent_bytes(consent))
        sync(self.folder)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        self._make_folder()
        try:
            with FileLock(self.data / "consent.lock", timeout=LOCK_SECONDS, mode=0o600):
                yield
        except Timeout as error:
            raise TimeoutError("another process holds the consent store") from error
        except NotImplementedError as error:
            raise OSError("the file system has no locks") from error

    def _make_folder(self) -> None:
        if self._absent.unreadable:
            raise FileNotFoundError(_HOMELESS)
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)


def _draw() -> float:
    """Draw from the system's randomness: a user's ``random.seed()`` is neither read nor moved."""
    return int.from_bytes(os.urandom(8)) % 10_000 / 10_000


def _words(error: OSError) -> str:
    """Say what failed, without a path."""
    return error.strerror or str(error)
