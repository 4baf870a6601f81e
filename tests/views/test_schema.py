"""The view of the catalogue: all of it, in text and in HTML."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dev_analytics.catalogue.events import EVENTS
from dev_analytics.catalogue.examples import example
from dev_analytics.catalogue.meanings import declared, reasons, sentence
from dev_analytics.catalogue.schema import schema
from dev_analytics.views.markup import escape
from dev_analytics.views.schema import named, schema_html, schema_json, schema_text


def test_all_events_are_listed_with_their_reasons() -> None:
    shown = schema_text(named(""))
    for name, event in EVENTS.items():
        assert f"{name} " in shown
        assert sentence(event) in shown
        assert event.why.event in shown


@pytest.mark.parametrize("name", EVENTS)
def test_a_single_event_is_shown_completely_as_text_and_html(name: str) -> None:
    event = EVENTS[name]
    assert list(named(event.wire)) == list(named(name)) == [name]
    text, html = schema_text(named(name)), schema_html(named(name))
    said = [sentence(event), event.why.event, *declared(event), *reasons(event).values()]
    said += [kind.meaning for kind in declared(event).values()]
    for each in (*said, example(event).decode()):
        assert each in text
        assert escape(each) in html
    assert "<details" in html
    assert " open>" in html


def test_all_events_can_be_opened() -> None:
    html = schema_html(named(""))
    assert html.count("<details") == len(EVENTS)
    assert " open>" not in html


def test_the_json_is_the_schema() -> None:
    assert json.loads(schema_json(named("exited"))) == schema(EVENTS["exited"])


@pytest.mark.parametrize(
    ("asked", "said"), [("cell_executd", "did you mean 'cell_executed'"), ("xyz", "known are")]
)
def test_an_event_that_does_not_exist_is_named(asked: str, said: str) -> None:
    with pytest.raises(LookupError, match=said):
        named(asked)


def test_a_notebook_shows_tables_and_loads_them_when_asked(kernel: Callable[..., Any]) -> None:
    notebook = kernel()
    notebook.run("%load_ext dev_analytics")
    loaded = "import sys; print([m for m in sys.modules if m.endswith(('schema', 'examples'))])"
    assert "dev_analytics" not in notebook.run(loaded).text, "not before it is asked for"
    ran = notebook.run("%dev_analytics schema cell executed")
    (shown,) = [content["data"] for kind, content in ran.messages if kind == "display_data"]
    assert shown["text/plain"] == schema_text(named("cell_executed"))
    assert shown["text/html"] == schema_html(named("cell_executed"))
    assert json.loads(notebook.run("%dev_analytics schema launched --json").text)["title"]
