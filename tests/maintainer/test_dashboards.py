"""The dashboard: made as PostHog takes it, known again, and nobody else's touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse import ClickHouse
from fake_api import KEY, PROJECT, SCOPES, USER, FakeApi, RefusedError
from jsonschema import Draft202012Validator
from shapes import TEMPLATE

from dev_analytics.apps.jupyter import main
from dev_analytics.maintainer.dashboards import Dashboard, DashboardError
from dev_analytics.maintainer.http import RequestError
from dev_analytics.maintainer.project import Project
from dev_analytics.maintainer.questions import questions
from dev_analytics.maintainer.tiles import NAME, TAG, TEXT, alerts, template, tiles

FOREIGN = {"name": "Somebody's own", "tags": ["sales"], "description": "mine"}


@pytest.fixture
def api(clickhouse: ClickHouse) -> Iterator[FakeApi]:
    """A PostHog with dashboards of somebody else's, on more than one page."""
    server = FakeApi(clickhouse)
    for _ in range(3):
        number = server.next_number()
        server.dashboards[number] = {"id": number, "deleted": False, **FOREIGN}
        insight = server.next_number()
        server.insights[insight] = {"id": insight, "name": "x", "tags": [], "deleted": False}
        tile = server.next_number()
        server.tiles[tile] = {"id": tile, "dashboard": number, "insight": insight}
    yield server
    server.stop()


def apply(api: FakeApi, *, dry: bool = False, errors: float = 100) -> tuple[int, list[str]]:
    said: list[str] = []
    asked = Project(api.url, PROJECT, KEY, sleep=lambda seconds: None)
    dashboard = Dashboard(asked, dry=dry, say=said.append)
    dashboard.make(alerts(errors, 20))
    return dashboard.changes, said


def ours(api: FakeApi) -> dict[str, Any]:
    """Return our one dashboard as it is shown."""
    (number,) = [
        n for n, each in api.dashboards.items() if TAG in each["tags"] and not each["deleted"]
    ]
    return api._dashboard(number)


def is_right(api: FakeApi) -> None:
    """Hold the dashboard to what it should be: each tile once, in its place, as it is wanted."""
    shown = ours(api)
    insights = [tile for tile in shown["tiles"] if "insight" in tile]
    by_tag = {tile["insight"]["tags"][0]: tile for tile in insights}
    assert len(by_tag) == len(insights) == len(tiles())
    for tile in tiles():
        there = by_tag[tile.tag]
        assert there["insight"]["name"] == tile.title
        assert {**there["insight"]["query"], "version": 1} == {**tile.query, "version": 1}
        assert (there["layouts"], there["color"]) == (tile.layouts, tile.color)
    (words,) = [tile["text"]["body"] for tile in shown["tiles"] if "text" in tile]
    assert words == TEXT
    assert len(api.insights) == 3 + len(tiles()), "none is left over"
    assert sorted(alert["name"] for alert in api.alerts.values()) == [
        alert.name for alert in alerts(100, 20)
    ]
    for alert in api.alerts.values():
        assert alert["subscribed_users"] == [USER]
    assert [each for each in api.dashboards.values() if each["name"] == FOREIGN["name"]] == [
        {"id": each["id"], "deleted": False, **FOREIGN}
        for each in list(api.dashboards.values())[:3]
    ]


def test_the_template_is_one_that_posthog_takes() -> None:
    made = template()
    Draft202012Validator(TEMPLATE).validate(made)
    named = [tile["name"] for tile in made["tiles"] if tile["type"] == "INSIGHT"]
    assert len(named) == len(set(named)) == len(questions()) + 2
    places = [(t["layouts"]["sm"]["x"], t["layouts"]["sm"]["y"]) for t in made["tiles"]]
    assert len(places) == len(set(places)), "no tile is on another"
    broken = json.loads(json.dumps(made))
    broken["tiles"][1]["query"]["colour"] = "red"
    assert not Draft202012Validator(TEMPLATE).is_valid(broken)


def test_a_second_run_changes_nothing(api: FakeApi) -> None:
    number, said = apply(api)
    assert number == len(said) == 1 + len(tiles()) + 1 + 2
    is_right(api)
    before = api.state()
    api.requests.clear()
    assert apply(api) == (0, [])
    assert api.state() == before
    assert {method for method, _ in api.requests} == {"GET"}


def test_a_dry_run_says_what_would_be_done_and_does_nothing(api: FakeApi) -> None:
    before = api.state()
    would, said = apply(api, dry=True)
    assert api.state() == before
    assert {method for method, _ in api.requests} == {"GET"}
    assert all(line.startswith("Would ") for line in said)
    assert apply(api)[0] == would
    assert apply(api, dry=True) == (0, [])


def test_the_result_is_the_same_wherever_it_was_interrupted(
    api: FakeApi, clickhouse: ClickHouse
) -> None:
    """Before and after each request: the next time it ends as if it had never been cut."""
    kept = {n: dict(v) for n, v in api.dashboards.items()}
    tiles_kept, insights_kept = dict(api.tiles), dict(api.insights)
    number = 0
    while True:
        api.dashboards = {n: dict(v) for n, v in kept.items()}
        api.tiles, api.insights, api.alerts = dict(tiles_kept), dict(insights_kept), {}
        api.requests.clear()
        api.cut_at, api.cut_before = number // 2, bool(number % 2)
        whole = True
        try:
            apply(api)
        except RequestError:
            whole = False
        api.cut_at = None
        apply(api)
        is_right(api)
        assert apply(api) == (0, [])
        if whole:
            break
        number += 1
    assert number // 2 > len(tiles()) + 4, "every request was cut"


def test_changes_by_hand_are_undone_and_other_objects_stay(api: FakeApi) -> None:
    apply(api)
    shown = ours(api)
    insights = [tile for tile in shown["tiles"] if "insight" in tile]
    api.insights[insights[2]["insight"]["id"]]["name"] = "another"
    api.insights[insights[3]["insight"]["id"]]["query"] = {"kind": "InsightVizNode", "source": {}}
    api.tiles[insights[4]["id"]]["layouts"] = {}
    api.insights[insights[5]["insight"]["id"]]["deleted"] = True
    api.dashboards[shown["id"]]["name"] = "another"
    (text,) = [tile["id"] for tile in shown["tiles"] if "text" in tile]
    api.tiles[text]["layouts"] = {}
    gone = insights[6]["insight"]
    api.insights[gone["id"]]["tags"] = [f"{TAG}:a-question-of-before"]
    own = api.next_number()
    api.insights[own] = {"id": own, "name": "mine", "tags": ["mine"], "deleted": False, "query": {}}
    tile = api.next_number()
    api.tiles[tile] = {"id": tile, "dashboard": shown["id"], "insight": own, "layouts": {"sm": 1}}
    note = api.next_number()
    api.tiles[note] = {"id": note, "dashboard": shown["id"], "text": {"id": 1, "body": "A note."}}
    (alert, other) = api.alerts.values()
    alert["subscribed_users"], alert["enabled"] = [99], False
    changes, said = apply(api)
    assert changes == 7
    assert any("delete the insight" in line.lower() for line in said)
    assert apply(api) == (0, [])
    assert ours(api)["name"] == NAME
    assert api.tiles[text]["layouts"] != {}
    assert api.insights[gone["id"]]["deleted"]
    assert api.tiles[tile] == {
        "id": tile,
        "dashboard": shown["id"],
        "insight": own,
        "layouts": {"sm": 1},
    }
    assert api.tiles[note]["text"]["body"] == "A note."
    assert (alert["subscribed_users"], alert["enabled"]) == ([99], False), "theirs to say"
    assert apply(api, errors=50)[1] == [f"Change the alert {alert['name']!r}."]
    assert other["subscribed_users"] == [USER]


def test_an_alert_follows_its_tile_and_nobody_else_s_is_touched(api: FakeApi) -> None:
    """A tile that somebody takes away leaves its insight, and the alert that watches it."""
    apply(api)
    watched = {each["insight"]["id"] for each in api.alerts.values()}
    for tile in api.tiles.values():
        if tile.get("insight") in watched:
            tile["deleted"] = True
    (first, second) = api.alerts.values()
    own = api.next_number()
    api.insights[own] = {**api.insights[first["insight"]["id"]], "id": own, "tags": ["mine"]}
    api.alerts["mine"] = {**first, "id": "mine", "insight": {"id": own}}
    before = dict(api.alerts["mine"])
    would, _ = apply(api, dry=True)
    made, said = apply(api)
    assert made == would == 2 + 1 + 2
    assert sum("watch its tile" in line for line in said) == 2
    assert apply(api) == (0, [])
    assert api.alerts.pop("mine") == before
    assert len(api.alerts) == 2
    shown = {tile["insight"]["id"] for tile in ours(api)["tiles"] if "insight" in tile}
    assert {each["insight"]["id"] for each in api.alerts.values()} <= shown - watched
    api.insights[second["insight"]["id"]]["deleted"] = True  # a watched insight that is gone
    api.alerts["left"] = {**second, "id": "left"}
    apply(api)
    assert apply(api) == (0, [])


def test_an_alert_of_our_name_that_watches_no_tile_of_ours_is_left_alone(api: FakeApi) -> None:
    apply(api)
    (first, second) = api.alerts.values()
    first["insight"], second["insight"] = None, {"id": 10**6}
    changes, said = apply(api)
    assert changes == 2
    assert all(line.startswith("Make the alert") for line in said)
    assert (first["insight"], second["insight"]) == (None, {"id": 10**6})
    assert apply(api) == (0, [])


def test_a_watched_insight_that_cannot_be_read_stops_the_run(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose it is would be unknown: a second alert might be made."""
    apply(api)
    alert = next(iter(api.alerts.values()))
    alert["insight"] = {"id": 10**6}
    insights = api._insights

    def failing(method: str, rest: str, *more: Any) -> Any:
        if rest.startswith(str(10**6)):
            raise RefusedError(500, "out of order")
        return insights(method, rest, *more)

    monkeypatch.setattr(api, "_insights", failing)
    with pytest.raises(RequestError) as raised:
        apply(api)
    assert raised.value.status == 500
    assert alert["insight"] == {"id": 10**6}


def test_two_dashboards_with_our_tag_are_an_error(api: FakeApi) -> None:
    apply(api)
    number = api.next_number()
    api.dashboards[number] = {"id": number, "name": NAME, "tags": [TAG], "deleted": False}
    before = api.state()
    with pytest.raises(DashboardError, match="several"):
        apply(api)
    assert api.state() == before


def test_a_plan_without_tags_is_refused_and_nothing_is_left(api: FakeApi) -> None:
    """What would not be known again would be made once more at every run."""
    api.keeps_tags = False
    for _ in range(2):
        with pytest.raises(DashboardError, match="stores no tags"):
            apply(api)
    assert [each["name"] for each in api.dashboards.values() if not each["deleted"]] == [
        FOREIGN["name"]
    ] * 3
    assert len(api.insights) == 3
    assert not api.alerts


def test_a_plan_with_too_few_alerts_still_gets_the_tiles(api: FakeApi) -> None:
    """Those of somebody else count too; the alerts come last, and once there are more."""
    api.max_alerts = 1
    for _ in range(2):
        with pytest.raises(RequestError, match="limited to 1 alerts") as raised:
            apply(api)
        assert "\n" not in str(raised.value)
        shown = [tile for tile in ours(api)["tiles"] if "insight" in tile]
        assert len(shown) == len(tiles())
        assert len(api.alerts) == 1
    assert len(apply(api, dry=True)[1]) == 1
    api.max_alerts = 2
    assert apply(api)[0] == 1
    is_right(api)


def test_two_concurrent_runs_leave_one_dashboard(api: FakeApi) -> None:
    """A second run, from its beginning to its end, before any of the first requests of the first.

    Whatever both have made, one dashboard is left, and the next run makes it right.
    """
    kept = {n: dict(v) for n, v in api.dashboards.items()}
    tiles_kept, insights_kept = dict(api.tiles), dict(api.insights)
    for when in range(8):
        api.dashboards = {n: dict(v) for n, v in kept.items()}
        api.tiles, api.insights, api.alerts = dict(tiles_kept), dict(insights_kept), {}
        api.requests.clear()
        began: list[int] = []

        def somebody_else(number: int, when: int = when, began: list[int] = began) -> None:
            if number == when and not began:
                began.append(number)
                apply(api)

        api.before = somebody_else
        apply(api)
        assert began == [when]
        api.before = lambda number: None
        apply(api)
        ours(api)
        assert apply(api) == (0, [])
        shown = [tile["insight"]["tags"][0] for tile in ours(api)["tiles"] if "insight" in tile]
        assert sorted(shown) == sorted(tile.tag for tile in tiles())
        assert len(api.alerts) == 2


@pytest.mark.parametrize(
    "scope", sorted(SCOPES & {"dashboard:write", "insight:write", "alert:write", "user:read"})
)
def test_a_scope_that_is_missing_is_one_clear_line(api: FakeApi, scope: str) -> None:
    api.scopes.discard(scope)
    with pytest.raises(RequestError, match=scope.partition(":")[0]) as raised:
        apply(api)
    assert raised.value.status == 403
    assert "\n" not in str(raised.value)
    api.scopes.add(scope)
    apply(api)
    is_right(api)


def test_a_dry_run_only_needs_permission_to_read(api: FakeApi) -> None:
    apply(api)
    api.scopes = {"dashboard:read", "insight:read", "alert:read"}
    assert apply(api, dry=True) == (0, [])


def test_the_fake_refuses_what_posthog_refuses(api: FakeApi) -> None:
    asked = Project(api.url, PROJECT, KEY)
    hogql = {"kind": "DataVisualizationNode", "source": {"kind": "HogQLQuery", "query": "SELECT 1"}}
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("dashboards/", {"name": "x", "colour": "red"}),
        ("insights/", {"name": "x", "query": {"kind": "EventsQuery"}}),
        ("insights/", {"name": "x", "query": {**hogql, "colour": "red"}}),
        (
            "insights/",
            {"query": {**hogql, "source": {"kind": "HogQLQuery", "query": "SELECT ((1"}}},
        ),
        ("dashboards/create_from_template_json/", {"template": template()}),
    ]
    for path, body in wrong:
        with pytest.raises(RequestError):
            asked.post(path, body)
    made = asked.post("insights/", {"name": "x", "query": hogql})
    fields = alerts(1, 1)[0].fields
    with pytest.raises(RequestError, match="TrendsQuery"):
        asked.post("alerts/", {"name": "x", "insight": made["id"], **fields})


def test_the_command(
    api: FakeApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    word = ["maintainer", "dashboards"]
    assert main([*word, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(template()))
    named = ["--project", str(PROJECT), "--host", api.url]
    assert main([*word, "--apply", *named]) == 1
    assert "POSTHOG_PERSONAL_API_KEY" in capsys.readouterr().err
    monkeypatch.setenv("POSTHOG_PERSONAL_API_KEY", KEY)
    assert main([*word, "--dry-run", *named]) == 0
    assert "Would make the dashboard." in capsys.readouterr().out
    assert main([*word, "--apply", *named]) == 0
    said = capsys.readouterr()
    assert KEY not in said.out + said.err
    assert main([*word, "--apply", *named]) == 0
    assert "up to date" in capsys.readouterr().out
    assert main([*word, "--apply", "--errors-above", "7.5", *named]) == 0
    assert "up to date" not in capsys.readouterr().out, "one alert has another bound"
    assert KEY.encode() not in api.heard, "in a header, and nowhere else"
    api.scopes = set()
    assert main([*word, "--apply", *named]) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "scope" in said.err
    for arguments in ([], ["--json", "--apply"], ["--apply", "--errors-above", "x"]):
        with pytest.raises(SystemExit) as ended:
            main([*word, *arguments])
        assert ended.value.code == 2
        capsys.readouterr()
    assert not data.exists()
