"""OpenTelemetry's logs, by its batch processor over OTLP/HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

from rivals import DURATION, OUTCOME, Base


class Library(Base):
    """Emits log records that are events."""

    def setup(self) -> None:
        """Put provider, processor and exporter together."""
        self.provider = LoggerProvider()
        exporter = OTLPLogExporter(endpoint=f"{self.address}/v1/logs")
        self.provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        self.logger = self.provider.get_logger("benchmark")

    def event(self) -> None:
        """Emit one event."""
        self.logger.emit(
            event_name="cell executed",
            severity_number=SeverityNumber.INFO,
            attributes={"outcome": OUTCOME, "duration_ms": DURATION},
        )

    def observe_models(self, client: Callable[..., Any]) -> tuple[Any, Any]:
        """Put its instrumentation in; switched by the method that it replaces."""
        from openai.resources.chat.completions import Completions
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        tracers = TracerProvider()
        exporter = OTLPSpanExporter(endpoint=f"{self.address}/v1/traces")
        tracers.add_span_processor(BatchSpanProcessor(exporter))
        plain = Completions.create
        OpenAIInstrumentor().instrument(tracer_provider=tracers, logger_provider=self.provider)
        observed = vars(Completions)["create"]
        assert observed is not plain

        def switch(on: bool) -> None:
            Completions.create = observed if on else plain

        return client(), switch
