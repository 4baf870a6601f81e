"""What is measured side by side: one module for each, each with a class `Library`.

A module is imported only in a process that measures it: its imports are part of what it costs. It
may have ``observe_models(client)`` too: it gives an observed client of ``openai``, and what
switches the observing off and on, None if the client itself is what observes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

OUTCOME: Final = "ok"
DURATION: Final = 120
"""The properties of the one event that all record."""


class Base:
    """What is measured of each library; by default it does nothing.

    Parameters
    ----------
    address
        The server's.
    folder
        Where it may write.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.folder = folder

    def setup(self) -> None:
        """Make it ready: by default it is."""

    def event(self) -> None:
        """Record nothing."""

    def observe_cells(self, shell: Any) -> None:
        """Record an event in a callback, as none of them knows cells."""

        def record(_: Any) -> None:
            self.event()

        shell.events.register("post_run_cell", record)


class About(NamedTuple):
    """What the one that measures must know without importing a library.

    Attributes
    ----------
    title
        How the document names it.
    package
        Its distribution on PyPI; empty for what has none.
    marker
        What stands once in a body or file for each event.
    delivers
        It sends; otherwise its events are where it wrote them.
    models
        It can observe calls made with ``openai``.
    declares
        It has a catalogue, whose size can be changed.
    how
        How it is set up, in words.
    """

    title: str
    package: str
    marker: bytes
    delivers: bool
    models: bool
    declares: bool
    how: str


_CAPTURED: Final = b'"event": "cell executed"'

LIBRARIES: Final = {
    "dev_analytics": About(
        "dev_analytics",
        "dev-analytics",
        _CAPTURED,
        delivers=True,
        models=True,
        declares=True,
        how="loaded by `%load_ext`; the user has agreed; a project key of PostHog and the host are "
        "set; everything else is as by default",
    ),
    "bare": About(
        "bare write",
        "",
        _CAPTURED,
        delivers=False,
        models=False,
        declares=False,
        how="`os.write` of the bytes of a record of dev_analytics to a file opened with "
        "`O_APPEND`: the limit",
    ),
    "stdlib_logging": About(
        "logging",
        "",
        _CAPTURED,
        delivers=False,
        models=False,
        declares=False,
        how="a `Logger` with a `FileHandler`, the same line: a yardstick",
    ),
    "posthog": About(
        "posthog",
        "posthog",
        _CAPTURED,
        delivers=True,
        models=True,
        declares=False,
        how="`Posthog(key, host=...)` and `capture()`; models by its `posthog.ai.openai.OpenAI` "
        "with `posthog_privacy_mode`",
    ),
    "jupyter_events": About(
        "jupyter_events",
        "jupyter-events",
        b'"outcome": "ok"',
        delivers=False,
        models=False,
        declares=True,
        how="`EventLogger` with a `FileHandler` and a registered schema, `emit()`",
    ),
    "glean": About(
        "glean-sdk",
        "glean-sdk",
        b'"name":"executed"',
        delivers=True,
        models=False,
        declares=True,
        how="`load_metrics` of a `metrics.yaml`, `Glean.initialize` with `server_endpoint`, "
        "`record()`; events leave in pings of 500 or at the next start",
    ),
    "sentry": About(
        "sentry-sdk",
        "sentry-sdk",
        b'"body":"cell executed"',
        delivers=True,
        models=True,
        declares=False,
        how="`sentry_sdk.init` with `enable_logs`, structured logs by `sentry_sdk.logger.info`; "
        "`auto_enabling_integrations=False`, as it would import every SDK of the test environment; "
        "models by its OpenAI integration with `traces_sample_rate=1.0`",
    ),
    "opentelemetry": About(
        "OpenTelemetry",
        "opentelemetry-sdk",
        b"cell executed",
        delivers=True,
        models=True,
        declares=False,
        how="`LoggerProvider`, `BatchLogRecordProcessor`, `OTLPLogExporter` over HTTP, `emit()`; "
        "models by `opentelemetry-instrumentation-openai-v2` with a `BatchSpanProcessor`, and the "
        "newest `opentelemetry-util-genai` with which that can be imported",
    ),
    "logfire": About(
        "logfire",
        "logfire",
        b"cell executed ok",
        delivers=True,
        models=True,
        declares=False,
        how="`logfire.configure` with a token, `base_url` and `console=False`, structured logs by "
        "`logfire.info`; models by `logfire.instrument_openai`",
    ),
    "ploomber": About(
        "ploomber-core",
        "ploomber-core",
        b'"event": "benchmark"',
        delivers=True,
        models=False,
        declares=False,
        how="`Telemetry.log_api()`; it has no setting for the host, so its `Posthog` client is "
        "replaced with one for the local host; its own variable switches off its look-up of a "
        "newer version on PyPI",
    ),
    "aider": About(
        "aider",
        "aider-chat",
        _CAPTURED,
        delivers=True,
        models=False,
        declares=False,
        how="`aider.analytics.Analytics` with `posthog_host`, opted in by its own file; the real "
        "package, no stubs; of its dependencies only those that this module imports, in the "
        "versions that it pins, and `httpx` and `pydantic` of the test environment",
    ),
    "scarf": About(
        "scarf-sdk",
        "scarf-sdk",
        _CAPTURED,
        delivers=True,
        models=False,
        declares=False,
        how="`ScarfEventLogger(endpoint_url=...)` and `log_event()`, which sends while the caller "
        "waits, for up to 3 s; what it raises is caught",
    ),
}
"""Every library, in the order of the columns."""

NOTHING: Final = "nothing"
"""A process that does the same with no library: what others take more than it is their cost."""
