"""The limit: the bytes of a record, appended with nothing around it."""

from __future__ import annotations

import os

from rivals import Base

LINE = (
    b'{"event": "cell executed", "distinct_id": "71b00c15-cdb5-4ee2-afb1-2f11ecfbebf4", '
    b'"uuid": "4163b27f-0a2e-460a-a170-451d6443b2b5", "timestamp": "2026-11-22T16:51:04+00:00", '
    b'"properties": {"outcome": "ok", "duration_ms": 120, '
    b'"$session_id": "01a2042b-1cc0-7e03-916b-076d9f8c7209", "seq": 3, "$lib": "dev-analytics", '
    b'"$lib_version": "1.0.0", "$process_person_profile": false, "$geoip_disable": true, '
    b'"$ip": "0.0.0.0", "$ignore_sent_at": true}}\n'
)


class Library(Base):
    """Writes."""

    def setup(self) -> None:
        """Open the file."""
        flags = os.O_APPEND | os.O_CREAT | os.O_WRONLY
        self.descriptor = os.open(self.folder / "events.jsonl", flags, 0o600)

    def event(self) -> None:
        """Append one line."""
        os.write(self.descriptor, LINE)
