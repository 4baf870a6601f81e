"""What takes the records that the user agreed to send: the spool, or what a test puts there."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """Takes the records that the user agreed to send, in the user's own thread, without waiting."""

    def accept(self, record: bytes, user_id: str) -> None:
        """Accept the bytes of one record, without a line end; may raise OSError."""

    def resume(self) -> None:
        """Send what earlier sessions left."""

    def rest(self) -> None:
        """Release the file, as the session is off; its content was recorded before."""

    def close(self, *, at_exit: bool) -> None:
        """Release everything at the end of the session, or (`at_exit`) of the process."""

    def purge(self) -> None:
        """Delete what was not delivered yet, as the user opted out."""

    def after_fork(self) -> None:
        """Begin anew, in a forked child."""
