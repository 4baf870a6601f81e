"""PostHog's shapes, restated: dashboards, insights and alerts as its API takes them, a template.

Nothing is taken that is not named here, as PostHog's own schemas of queries do it.
"""

from __future__ import annotations

from typing import Any

TEXT = {"type": "string", "maxLength": 400}
LONG = {"type": "string"}


def shape(required: str, **properties: Any) -> dict[str, Any]:
    """Give the schema of an object that has these properties and no others."""
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


def kind(name: str) -> dict[str, Any]:
    return {"const": name}


TAGS = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 255}}
WHOLE = {"type": "integer", "minimum": 0}
PLACE = shape("x y w h", x=WHOLE, y=WHOLE, w=WHOLE, h=WHOLE, minW=WHOLE, minH=WHOLE)
SM = {**PLACE, "properties": {**PLACE["properties"], "w": {"type": "integer", "maximum": 12}}}
LAYOUTS = shape("", sm=SM, xs=PLACE)
COLOR = {"enum": ["blue", "green", "purple", "black", None]}

DATES = shape(
    "", date_from=LONG, date_to={"type": ["string", "null"]}, explicitDate={"type": "boolean"}
)
HOGQL = shape(
    "kind query",
    kind=kind("HogQLQuery"),
    query=LONG,
    filters=shape("", dateRange=DATES),
    variables={"type": "object"},
)
COLUMN = shape("column", column=LONG, settings={"type": "object"})
DISPLAY = {
    "enum": "ActionsLineGraph ActionsBar ActionsBarValue ActionsPie ActionsTable BoldNumber".split()
}
DATA = shape(
    "kind source",
    kind=kind("DataVisualizationNode"),
    source=HOGQL,
    display=DISPLAY,
    chartSettings=shape(
        "",
        xAxis=COLUMN,
        yAxis={"type": "array", "items": COLUMN},
        seriesBreakdownColumn={"type": ["string", "null"]},
        showLegend={"type": "boolean"},
    ),
    tableSettings=shape("", columns={"type": "array", "items": COLUMN}),
)
FILTER = {
    "oneOf": [
        shape(
            "type key operator",
            type=kind("event"),
            key=LONG,
            operator={"enum": ["exact", "is_not", "icontains", "gt", "lt"]},
            value={},
        ),
        shape("type key", type=kind("hogql"), key=LONG, value={}),
    ]
}
FILTERS = {"type": "array", "items": FILTER}
EVENTS = shape(
    "kind",
    kind=kind("EventsNode"),
    event=LONG,
    name=LONG,
    custom_name=LONG,
    math={"enum": "total dau weekly_active unique_session sum avg median p90 hogql".split()},
    math_property=LONG,
    math_hogql=LONG,
    properties=FILTERS,
)
TRENDS = shape(
    "kind series",
    kind=kind("TrendsQuery"),
    series={"type": "array", "items": EVENTS, "minItems": 1},
    interval={"enum": ["hour", "day", "week", "month"]},
    dateRange=DATES,
    properties=FILTERS,
    breakdownFilter=shape(
        "",
        breakdown=LONG,
        breakdown_type={"enum": ["event", "person", "hogql"]},
        breakdown_limit=WHOLE,
    ),
    trendsFilter=shape(
        "",
        display=DISPLAY,
        formula=LONG,
        decimalPlaces=WHOLE,
        aggregationAxisPrefix=LONG,
        aggregationAxisPostfix=LONG,
        showValuesOnSeries={"type": "boolean"},
    ),
    filterTestAccounts={"type": "boolean"},
)
QUERY = {"oneOf": [DATA, shape("kind source", kind=kind("InsightVizNode"), source=TRENDS)]}
DASHBOARD = shape(
    "name",
    name=TEXT,
    description=LONG,
    pinned={"type": "boolean"},
    tags=TAGS,
    restriction_level={"enum": [21, 37]},
    deleted={"type": "boolean"},
)
INSIGHT = shape(
    "query",
    name=TEXT,
    description=LONG,
    query={"type": "object"},
    dashboards={"type": "array", "items": WHOLE},
    tags=TAGS,
    saved={"type": "boolean"},
    deleted={"type": "boolean"},
)
TILES = {
    "type": "array",
    "items": {
        "oneOf": [
            shape(
                "id",
                id=WHOLE,
                layouts=LAYOUTS,
                color=COLOR,
                show_description={"type": "boolean"},
                deleted={"type": "boolean"},
                text=shape("body", body=LONG),
            ),
            shape("text", text=shape("body", body=LONG), layouts=LAYOUTS, color=COLOR),
        ]
    },
}
ALERT = shape(
    "name insight threshold condition config calculation_interval",
    name=LONG,
    insight=WHOLE,
    enabled={"type": "boolean"},
    subscribed_users={"type": "array", "items": WHOLE},
    threshold=shape(
        "configuration",
        configuration=shape(
            "type bounds",
            type={"enum": ["absolute", "percentage"]},
            bounds=shape("", lower={"type": "number"}, upper={"type": "number"}),
        ),
    ),
    condition=shape(
        "type", type={"enum": ["absolute_value", "relative_increase", "relative_decrease"]}
    ),
    config=shape(
        "type series_index",
        type=kind("TrendsAlertConfig"),
        series_index=WHOLE,
        check_ongoing_interval={"type": "boolean"},
    ),
    calculation_interval={"enum": ["hourly", "daily", "weekly", "monthly"]},
    skip_weekend={"type": "boolean"},
)
TEMPLATE = {
    "type": "object",
    "required": ["template_name", "dashboard_description", "dashboard_filters", "tiles"],
    "additionalProperties": False,
    "properties": {
        "template_name": TEXT,
        "dashboard_description": TEXT,
        "dashboard_filters": {"type": "object"},
        "tags": TAGS,
        "variables": {"type": ["array", "null"]},
        "tiles": {
            "type": "array",
            "minItems": 1,
            "items": {
                "oneOf": [
                    shape(
                        "type name query layouts",
                        type=kind("INSIGHT"),
                        name=TEXT,
                        description=LONG,
                        query=QUERY,
                        layouts=LAYOUTS,
                        color=COLOR,
                        transparent_background={"type": "boolean"},
                    ),
                    shape(
                        "type body layouts",
                        type=kind("TEXT"),
                        body=LONG,
                        layouts=LAYOUTS,
                        color=COLOR,
                        transparent_background={"type": "boolean"},
                    ),
                ]
            },
        },
    },
}
