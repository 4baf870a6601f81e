"""Mozilla's Glean."""

from __future__ import annotations

from glean import Configuration, Glean, load_metrics

from rivals import DURATION, OUTCOME, Base

HEAD = '$schema: "moz://mozilla.org/schemas/glean/metrics/2-0-0"\ncell:\n'
EVENT = """\
  {name}:
    type: event
    description: A cell was executed.
    bugs: ["https://example.org/1"]
    data_reviews: ["https://example.org/2"]
    notification_emails: [somebody@example.org]
    expires: never
    extra_keys:
      outcome:
        description: How it ended.
        type: string
      duration_ms:
        description: How long it took.
        type: quantity
"""


class Library(Base):
    """Records by its native library."""

    def setup(self, declared: int = 1) -> None:
        """Declare the metric, and initialize as an application does."""
        file = self.folder / "metrics.yaml"
        others = [EVENT.format(name=f"other_{number}") for number in range(1, declared)]
        file.write_text(HEAD + EVENT.format(name="executed") + "".join(others))
        self.cell = load_metrics(file).cell
        Glean.initialize(
            application_id="benchmark",
            application_version="1.0.0",
            upload_enabled=True,
            data_dir=self.folder / "glean",
            configuration=Configuration(server_endpoint=self.address),
        )

    def event(self) -> None:
        """Record one event."""
        self.cell.executed.record(self.cell.ExecutedExtra(outcome=OUTCOME, duration_ms=DURATION))
