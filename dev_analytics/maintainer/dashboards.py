"""The dashboard in PostHog: looked at, and changed until it is as it should be, and nothing else.

What is ours is known by its tag. Whatever a request that was cut off had done is found again the
next time, so nothing is made twice; what is as it should be is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dev_analytics.maintainer.project import Project
from dev_analytics.maintainer.tiles import (
    DESCRIPTION,
    NAME,
    TAG,
    TEXT,
    Alert,
    Tile,
    text_layouts,
    tiles,
)

_MARK: Final = TEXT.partition(" A user")[0]
"""How our words begin, in every version."""


class DashboardError(Exception):
    """The dashboard cannot be changed; the message says why, in one line."""


class Dashboard:
    """Our dashboard in a project.

    Parameters
    ----------
    project
        Which project.
    dry
        Say what would be done, and do nothing.
    tell
        Is told what is done, a line at a time.

    Attributes
    ----------
    changes
        How many there were.
    """

    def __init__(self, project: Project, *, dry: bool, tell: Callable[[str], None]) -> None:
        self._project = project
        self._dry = dry
        self._tell = tell
        self.changes = 0

    def make(self, alerts: Sequence[Alert]) -> None:
        """Make the dashboard, or change what is not as it should be.

        Raises
        ------
        DashboardError
            There are several, and nobody can tell which is ours.
        RequestError
            PostHog refuses something, or cannot be reached.
        """
        shown = self._shown()
        wanted = tiles()
        insights: dict[str, Any] = {}
        for tile in wanted:
            there = _with_tag(shown, tile.tag)
            insights[tile.name] = self._insight(shown, tile, there)
        if shown is not None:
            self._retire(shown, wanted)
        self._arrange(shown, wanted)
        for alert in alerts:
            self._alert(alert, insights[alert.tile])

    def _shown(self) -> Any:
        """Return the dashboard with its tiles, created if missing; None where nothing is made."""
        found = [
            each
            for each in self._project.every(f"dashboards/?tags={TAG}&limit=100")
            if TAG in each.get("tags", ()) and not each.get("deleted")
        ]
        if len(found) > 1:
            numbers = ", ".join(str(each["id"]) for each in found)
            raise DashboardError(
                f"several dashboards have the tag {TAG} ({numbers}): take it from all but one"
            )
        fields = {"name": NAME, "description": DESCRIPTION, "tags": [TAG]}
        if not found:
            made = self._do("make the dashboard", "POST", "dashboards/", fields)
            return None if made is None else self._project.get(f"dashboards/{made['id']}/")
        number = found[0]["id"]
        shown = self._project.get(f"dashboards/{number}/")
        if _contains(shown, {"name": NAME, "description": DESCRIPTION}):
            return shown
        kept = {"name": NAME, "description": DESCRIPTION}
        self._do("name and describe the dashboard", "PATCH", f"dashboards/{number}/", kept)
        return shown

    def _insight(self, shown: Any, tile: Tile, there: Sequence[Any]) -> Any:
        """Return a tile's insight as it should be; None where it is not made."""
        fields = {"name": tile.title, "description": tile.description, "query": tile.query}
        if not there:
            more = {"tags": [tile.tag], "dashboards": [shown["id"]] if shown else [], "saved": True}
            return self._do(
                f"make the insight {tile.title!r}", "POST", "insights/", {**fields, **more}
            )
        insight = there[0]["insight"]
        if not _contains(insight, fields):
            path = f"insights/{insight['id']}/"
            self._do(f"change the insight {tile.title!r}", "PATCH", path, fields)
        return insight

    def _retire(self, shown: Any, wanted: Sequence[Tile]) -> None:
        """Delete insights of ours that are there once more, or that nobody wants any longer."""
        tags = {tile.tag for tile in wanted}
        for tile in shown["tiles"]:
            insight = tile.get("insight") or {}
            for tag in insight.get("tags", ()):
                first = _with_tag(shown, tag)
                if tag.startswith(f"{TAG}:") and (tag not in tags or first[0] is not tile):
                    self._do(
                        f"delete the insight {insight['name']!r}",
                        *("PATCH", f"insights/{insight['id']}/", {"deleted": True}),
                    )

    def _arrange(self, shown: Any, wanted: Sequence[Tile]) -> None:
        """Arrange our tiles, with our text on top."""
        now = shown
        if shown is not None and not self._dry:
            now = self._project.get(f"dashboards/{shown['id']}/")
        changed: list[dict[str, Any]] = []
        for tile in wanted:
            place = {"layouts": tile.layouts, "color": tile.color}
            for there in _with_tag(now, tile.tag)[:1]:
                if not _contains(there, place):
                    changed.append({"id": there["id"], **place})
        words = [
            tile
            for tile in (now or {"tiles": ()})["tiles"]
            if ((tile.get("text") or {}).get("body") or "").startswith(_MARK)
        ]
        right = [each for each in words if each["text"]["body"] == TEXT][:1]
        changed += [{"id": each["id"], "deleted": True} for each in words if each not in right]
        if not right:
            changed.append({"text": {"body": TEXT}, "layouts": text_layouts()})
        elif not _contains(right[0], {"layouts": text_layouts()}):
            changed.append({"id": right[0]["id"], "layouts": text_layouts()})
        if changed:
            self._do(
                "arrange the tiles",
                *("PATCH", f"dashboards/{now['id'] if now else 0}/"),
                {"tiles": changed, "delete_insights": False},
            )

    def _alert(self, alert: Alert, insight: Any) -> None:
        """Make an alert, or change its bound; who is told, and whether, is the maintainers' own."""
        there = []
        if insight is not None:
            path = f"alerts/?insight={insight['id']}&limit=100"
            there = [each for each in self._project.every(path) if each["name"] == alert.name]
        if there:
            if not _contains(there[0], alert.fields):
                path = f"alerts/{there[0]['id']}/"
                self._do(f"change the alert {alert.name!r}", "PATCH", path, alert.fields)
            return
        more: dict[str, Any] = {"name": alert.name, "enabled": True}
        if not self._dry:
            more["subscribed_users"] = [self._project.server.ask("GET", "/api/users/@me/")["id"]]
            more["insight"] = insight["id"]
        self._do(f"make the alert {alert.name!r}", "POST", "alerts/", {**more, **alert.fields})

    def _do(self, what: str, method: str, path: str, fields: Mapping[str, Any]) -> Any:
        """Do something, or say that it would be done; give what PostHog answers."""
        self.changes += 1
        self._tell(f"Would {what}." if self._dry else f"{what[0].upper()}{what[1:]}.")
        if self._dry:
            return None
        ask = self._project.post if method == "POST" else self._project.patch
        return ask(path, fields)


def _with_tag(shown: Any, tag: str) -> list[Any]:
    """Return the tiles of a dashboard whose insight has a tag, the oldest first."""
    found = [
        tile
        for tile in (shown or {"tiles": ()})["tiles"]
        if tag in (tile.get("insight") or {}).get("tags", ())
    ]
    return sorted(found, key=lambda tile: tile["id"])


def _contains(there: Any, wanted: Any) -> bool:
    """Return whether all that is wanted is there; PostHog may have added what it takes as given."""
    if isinstance(wanted, Mapping):
        return isinstance(there, Mapping) and all(
            name in there and _contains(there[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return (
            isinstance(there, list | tuple)
            and len(there) == len(wanted)
            and all(map(_contains, there, wanted))
        )
    return bool(there == wanted)
