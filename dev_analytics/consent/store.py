"""The consent store: a folder of two files that every process of the user shares.

``opted-out`` is the permanent opt-out: that it exists is all that counts. It is written before
anything else happens, without waiting for a lock, and beats whatever stands beside it.
``consent.json`` is replaced whole, under a lock. What cannot be read, parsed or written reads as
*not agreed*: a fault can lose a yes, never a no. The identifier is made here and nowhere else.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import DecodeError, Meta, Struct, ValidationError, json
from msgspec.structs import replace

from dev_analytics.consent.decision import Consent

LOCK_SECONDS: Final = 2.0
"""How long a writer waits for another one, in seconds."""

SETTLED_NS: Final = 2_000_000_000
"""A folder changed less than this ago, in ns, may change again within one tick of its clock,
which is 2 s on the coarsest file system in use."""

_HOMELESS: Final = "there is no home directory to keep it in"
_IDENTIFYING: Final = ("spool/*", "archive.sqlite*", "quarantine", "ledger.json")
"""What delivery keeps beside the consent, and must not outlive it."""
_UUID4: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"


class ConsentStoreError(Exception):
    """The store could not be changed; the message says why, in plain words."""


class _File(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """The content of ``consent.json``."""

    version: Literal[1]
    answer: Literal["yes"] | None = None
    user_id: Annotated[str, Meta(pattern=_UUID4)] | None = None
    notice: Annotated[int, Meta(ge=1)] | None = None
    kept_notice: Annotated[int, Meta(ge=1)] | None = None
    answered_on: date | None = None
    asked_on: date | None = None
    draw: Annotated[float, Meta(ge=0, lt=1)] | None = None

    def consent(self) -> Consent:
        """Give the value; raise ValueError where the fields do not make an answer."""
        of_answer = (self.answer, self.user_id, self.notice, self.answered_on)
        if any(of_answer) and not all(of_answer):
            raise ValueError("half an answer")
        return Consent(
            user_id=self.user_id,
            notice=self.notice or 0,
            kept_notice=self.kept_notice or 0,
            answered_on=self.answered_on,
            asked_on=self.asked_on,
            draw=self.draw,
        )


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
        self._new = self.folder / "consent.json.new"
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
                return Consent()
            return json.decode(content, type=_File).consent()
        except OSError as error:
            return Consent(unreadable=_words(error))
        except (DecodeError, ValidationError, ValueError, RecursionError):
            return Consent(unreadable="consent.json is damaged")

    def agree(self, notice: int, today: date) -> Consent:
        """Store a yes to `notice` and give the consent that now holds.

        A user who agreed before keeps the identifier. An opt-out, seen or not, wins.

        Raises
        ------
        ConsentStoreError
            The yes could not be stored, so there is none.
        """

        def yes(before: Consent) -> Consent:
            import uuid

            return replace(
                before,
                user_id=before.user_id or str(uuid.uuid4()),
                notice=notice,
                kept_notice=0,
                answered_on=today,
                asked_on=None,
            )

        return self._change(yes)

    def keep(self, notice: int) -> Consent:
        """Store that the user wants nothing of what `notice` adds, and give what now holds.

        Raises
        ------
        ConsentStoreError
            It could not be stored.
        """

        def kept(before: Consent) -> Consent:
            if before.user_id is None:
                return before
            return replace(before, kept_notice=notice, asked_on=None)

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
            drawn = before if before.draw is not None else replace(before, draw=_draw())
            claimed = may_ask(drawn)
            return replace(drawn, asked_on=today) if claimed else drawn

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
            self._mark()
            self._sync_folder()
        except OSError as error:
            if not os.path.lexists(self.marker):
                _delete(self._new, self.file)
                raise ConsentStoreError(_words(error)) from error
        # Whoever writes now finds the marker after its write, and deletes what it wrote.
        self.purge()

    def purge(self) -> None:
        """Delete all that carries an identifier on this machine; what cannot be stays."""
        _delete(self._new, self.file)
        for pattern in _IDENTIFYING:
            _delete(*self.data.glob(pattern))

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
                for path in (self._new, self.file):
                    _remove(path)
                self.purge()
                _remove(self.marker)
                self._sync_folder()
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
                    _delete(self.file)
                    return Consent(opted_out=True)
                return after
        except OSError as error:
            if os.path.lexists(self.marker):
                # An opt-out came in between, and took the file that was being written.
                return Consent(opted_out=True)
            raise ConsentStoreError(_words(error)) from error

    def _mark(self) -> None:
        try:
            os.close(os.open(self.marker, os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as error:
            # A full disk that takes no new file still lets an old one change its name.
            try:
                self.file.rename(self.marker)
            except OSError:
                raise error from None
            os.truncate(self.marker, 0)

    def _write(self, consent: Consent) -> None:
        content = json.encode(
            _File(
                version=1,
                answer="yes" if consent.user_id else None,
                user_id=consent.user_id,
                notice=consent.notice or None,
                kept_notice=consent.kept_notice or None,
                answered_on=consent.answered_on,
                asked_on=consent.asked_on,
                draw=consent.draw,
            )
        )
        # One name, so that an opt-out also finds what a killed writer left of an identifier.
        try:
            descriptor = os.open(self._new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            self._new.replace(self.file)
        except BaseException:
            _delete(self._new)
            raise
        self._sync_folder()

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

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _delete(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _remove(path: Path) -> None:
    """Delete a file, or a folder that stands in its place."""
    if path.is_dir() and not path.is_symlink():
        import shutil

        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _draw() -> float:
    """Draw from the system's randomness: a user's ``random.seed()`` is neither read nor moved."""
    return int.from_bytes(os.urandom(8)) % 10_000 / 10_000


def _words(error: OSError) -> str:
    """Say what failed, without a path."""
    return error.strerror or str(error)
