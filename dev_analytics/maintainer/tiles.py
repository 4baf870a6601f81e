"""The content of the dashboard: a tile for each question, two for alerts, and text at the top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from dev_analytics.maintainer.questions import Question, questions

NAME: Final = "dev analytics"
DESCRIPTION: Final = (
    "Which models, edit formats, features and commands people use, and which errors they meet. "
    "Made by jupyter dev-analytics maintainer dashboards."
)
TAG: Final = "dev-analytics"
"""The tag of the dashboard; for an insight, a colon and its name are added."""
TEXT: Final = (
    "**Everything here is anonymous and was agreed to.** A user is a random identifier. Tiles with "
    "our tag are made anew by `jupyter dev-analytics maintainer dashboards --apply`: change the "
    "questions, not the tiles. Tiles of your own stay as they are."
)
DATES: Final = {"date_from": "-90d"}
_WIDE: Final = 12
_HIGH: Final = 5
_OURS: Final = [
    {"type": "event", "key": "$lib", "operator": "exact", "value": ["dev-analytics"]},
]


class Tile(Struct, frozen=True):
    """An insight, and its place and color on the dashboard.

    Between runs it is identified by its name.
    """

    name: str
    title: str
    description: str
    query: Mapping[str, Any]
    layouts: Mapping[str, Any]
    color: str | None = None

    @property
    def tag(self) -> str:
        """The tag by which its insight is recognised."""
        return f"{TAG}:{self.name}"


class Alert(Struct, frozen=True):
    """An upper bound for a tile; PostHog notifies somebody when it is exceeded.

    Between runs it is identified by its name.
    """

    name: str
    tile: str
    upper: float

    @property
    def fields(self) -> dict[str, Any]:
        """The fields for PostHog, except for the insight and whom to notify."""
        return {
            "threshold": {
                "configuration": {"type": "absolute", "bounds": {"upper": self.upper}},
            },
            "condition": {"type": "absolute_value"},
            "config": {"type": "TrendsAlertConfig", "series_index": 0},
            "calculation_interval": "daily",
        }


def tiles() -> list[Tile]:
    """Return the tiles, in their order."""
    result = [
        Tile(
            "errors_alert",
            "Errors per 1,000 cells, by version, day by day",
            "Shows at once that a release made things worse. An alert watches it.",
            _rate("error raised", "cell executed", "1000 * A / B", "$lib_version"),
            _place(0),
            "purple",
        ),
        Tile(
            "failures_alert",
            "Failed requests per hundred, by model, day by day",
            "Shows at once that a model or its provider fails. An alert watches it.",
            _rate("$ai_generation", "$ai_generation", "100 * A / B", "$ai_model", failed=True),
            _place(1),
            "purple",
        ),
    ]
    for number, question in enumerate(questions(), len(result)):
        result.append(
            Tile(question.name, question.title, question.reason, _query(question), _place(number))
        )
    return result


def alerts(errors: float, failures: float) -> list[Alert]:
    """Return the alerts, with their bounds: errors per 1,000 cells, failures per hundred."""
    return [
        Alert("dev analytics: errors per 1,000 cells", "errors_alert", errors),
        Alert("dev analytics: failed requests per hundred", "failures_alert", failures),
    ]


def template() -> dict[str, Any]:
    """Return the dashboard as a PostHog template, for import by hand."""
    text = {"type": "TEXT", "body": TEXT, "layouts": text_layouts(), "color": None}
    return {
        "template_name": NAME,
        "dashboard_description": DESCRIPTION,
        "dashboard_filters": DATES,
        "tags": [TAG],
        "variables": [],
        "tiles": [
            text,
            *(
                {
                    "type": "INSIGHT",
                    "name": tile.title,
                    "description": tile.description,
                    "query": tile.query,
                    "layouts": tile.layouts,
                    "color": tile.color,
                }
                for tile in tiles()
            ),
        ],
    }


def text_layouts() -> dict[str, Any]:
    """Return the position of the text: at the top."""
    return {
        "sm": {"x": 0, "y": 0, "w": _WIDE, "h": 2, "minW": 1, "minH": 1},
        "xs": {"x": 0, "y": 0, "w": 1, "h": 2, "minW": 1, "minH": 1},
    }


def _place(number: int) -> dict[str, Any]:
    """Return the position of a tile: two in a row, below the text."""
    row, column = divmod(number, 2)
    half = _WIDE // 2
    size = {"h": _HIGH, "minH": _HIGH}
    return {
        "sm": {"x": column * half, "y": 2 + row * _HIGH, "w": half, "minW": 3, **size},
        "xs": {"x": 0, "y": 2 + number * _HIGH, "w": 1, "minW": 1, **size},
    }


def _query(question: Question) -> dict[str, Any]:
    """Return the query of a question's tile."""
    source = {
        "kind": "HogQLQuery",
        "query": question.hogql,
        "filters": {"dateRange": DATES},
    }
    node: dict[str, Any] = {"kind": "DataVisualizationNode", "source": source}
    drawing = question.drawing
    if drawing.kind == "table":
        return node
    settings: dict[str, Any] = {
        "xAxis": {"column": drawing.x},
        "yAxis": [{"column": column} for column in drawing.y],
        "showLegend": drawing.kind == "line",
    }
    if drawing.by:
        settings["seriesBreakdownColumn"] = drawing.by
    display = {"bar": "ActionsBar", "line": "ActionsLineGraph"}[drawing.kind]
    return {**node, "display": display, "chartSettings": settings}


def _rate(part: str, whole: str, formula: str, by: str, *, failed: bool = False) -> dict[str, Any]:
    """Return the query of a daily rate, the only kind of query that an alert can watch."""
    error = {"type": "event", "key": "$ai_is_error", "operator": "exact", "value": ["true"]}
    first: dict[str, Any] = {"kind": "EventsNode", "event": part, "name": part, "math": "total"}
    if failed:
        first = {**first, "custom_name": "failed", "properties": [error]}
    second = {"kind": "EventsNode", "event": whole, "name": whole, "math": "total"}
    source = {
        "kind": "TrendsQuery",
        "series": [first, second],
        "interval": "day",
        "dateRange": DATES,
        "properties": _OURS,
        "breakdownFilter": {"breakdown": by, "breakdown_type": "event", "breakdown_limit": 25},
        "trendsFilter": {"display": "ActionsLineGraph", "formula": formula},
        "filterTestAccounts": False,
    }
    return {"kind": "InsightVizNode", "source": source}
