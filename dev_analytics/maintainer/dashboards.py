"""Creates the dashboard in PostHog, or updates it, and changes nothing else.

Our objects are recognised by their tag, so a run that follows an interrupted one creates nothing
twice. An object that is up to date is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dev_analytics.maintainer import shown as forms
from dev_analytics.maintainer.http import RequestError
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
"""The beginning of our text, which is the same in every version."""


class DashboardError(Exception):
    """The dashboard cannot be changed; the message says why in one line."""


class Dashboard:
    """Our dashboard in a project.

    Parameters
    ----------
    project
        The project.
    dry
        Whether only to say what would change.
    say
        Called with a line about each change; `changes` counts them.
    """

    def __init__(self, project: Project, *, dry: bool, say: Callable[[str], None]) -> None:
        self._project = project
        self._dry = dry
        self._say = say
        self.changes = 0

    def make(self, alerts: Sequence[Alert]) -> None:
        """Create the dashboard, or update it.

        Raises
        ------
        DashboardError
            Several dashboards have our tag.
        RequestError
            PostHog refuses a request, or cannot be reached.
        """
        shown = self._shown()
        wanted = tiles()
        insights: dict[str, Any] = {}
        for tile in wanted:
            there = forms.with_tag(shown, tile.tag)
            insights[tile.name] = self._insight(shown, tile, there)
        if shown is not None:
            self._retire(shown, wanted)
        self._arrange(shown, wanted)
        for alert in alerts:
            self._alert(alert, insights[alert.tile])

    def _shown(self) -> forms.Dashboard | None:
        """Return the dashboard with its tiles, created if missing; None if this is a dry run."""
        found = self._found()
        if len(found) > 1:
            numbers = ", ".join(map(str, found))
            raise DashboardError(
                f"several dashboards have the tag {TAG} ({numbers}): remove it from all but one"
            )
        kept = {"name": NAME, "description": DESCRIPTION}
        if not found:
            made = self._make(
                "the dashboard", "dashboards/", {**kept, "tags": [TAG]}, forms.Dashboard
            )
            return None if made is None else self._read(self._kept(made))
        shown = self._read(found[0])
        if not _contains(shown, kept):
            self._change("name and describe the dashboard", f"dashboards/{found[0]}/", kept)
        return shown

    def _found(self) -> list[int]:
        """Return the numbers of the dashboards that have our tag, the oldest first."""
        listed = self._project.every(f"dashboards/?tags={TAG}&limit=100", forms.Listed)
        return sorted(
            each["id"]
            for each in listed
            if TAG in (each.get("tags") or ()) and not each.get("deleted")
        )

    def _kept(self, made: forms.Dashboard) -> int:
        """Return the number of the dashboard to continue with, after one was made."""
        if TAG not in (made.get("tags") or ()):
            self._drop(made["id"])
            raise DashboardError(
                "PostHog stores no tags in this project, so the dashboard would not be recognised "
                "next time: use a plan with tags, or --json for a template to import by hand"
            )
        # Another run may have created one at the same time: both runs keep the older one.
        oldest = min([*self._found(), made["id"]])
        if oldest != made["id"]:
            self._drop(made["id"])
        return oldest

    def _drop(self, number: int) -> None:
        gone = {"deleted": True, "delete_insights": False}
        self._change("delete that dashboard again", f"dashboards/{number}/", gone)

    def _read(self, number: int) -> forms.Dashboard:
        found: forms.Dashboard = self._project.get(f"dashboards/{number}/", forms.Dashboard)
        return found

    def _insight(
        self, shown: forms.Dashboard | None, tile: Tile, there: Sequence[forms.Tile]
    ) -> forms.Insight | None:
        """Return a tile's insight, created or updated; None if a dry run would create it."""
        fields = {"name": tile.title, "description": tile.description, "query": tile.query}
        insight = there[0].get("insight") if there else None
        if insight is None:
            more = {"tags": [tile.tag], "dashboards": [shown["id"]] if shown else [], "saved": True}
            what = f"the insight {tile.title!r}"
            made: forms.Insight | None = self._make(
                what, "insights/", {**fields, **more}, forms.Insight
            )
            return made
        if not _contains(insight, fields):
            path = f"insights/{insight['id']}/"
            self._change(f"change the insight {tile.title!r}", path, fields)
        return insight

    def _retire(self, shown: forms.Dashboard, wanted: Sequence[Tile]) -> None:
        """Delete our insights that are duplicates, or no longer wanted."""
        tags = {tile.tag for tile in wanted}
        for tile in shown.get("tiles", ()):
            insight = tile.get("insight")
            for tag in (insight and insight.get("tags")) or ():
                first = forms.with_tag(shown, tag)
                if insight and tag.startswith(f"{TAG}:") and (tag not in tags or first[0] != tile):
                    path = f"insights/{insight['id']}/"
                    self._change(
                        f"delete the insight {insight.get('name')!r}", path, {"deleted": True}
                    )

    def _arrange(self, shown: forms.Dashboard | None, wanted: Sequence[Tile]) -> None:
        """Arrange our tiles, with our text on top."""
        now = shown
        if shown is not None and not self._dry:
            now = self._read(shown["id"])
        changed: list[dict[str, Any]] = []
        for tile in wanted:
            place = {"layouts": tile.layouts, "color": tile.color}
            there = forms.with_tag(now, tile.tag)[:1]
            if not there and self._dry:
                changed.append(place)  # it would exist by now
            changed += [{"id": each["id"], **place} for each in there if not _contains(each, place)]
        words = [each for each in forms.tiles(now) if forms.words(each).startswith(_MARK)]
        right = [each for each in words if forms.words(each) == TEXT][:1]
        changed += [{"id": each["id"], "deleted": True} for each in words if each not in right]
        if not right:
            changed.append({"text": {"body": TEXT}, "layouts": text_layouts()})
        elif not _contains(right[0], {"layouts": text_layouts()}):
            changed.append({"id": right[0]["id"], "layouts": text_layouts()})
        if changed:
            path = f"dashboards/{now['id'] if now else 0}/"
            self._change("arrange the tiles", path, {"tiles": changed, "delete_insights": False})

    def _alert(self, alert: Alert, insight: forms.Insight | None) -> None:
        """Create an alert, or change its limit; whom it notifies is up to the maintainers."""
        listed = self._project.every("alerts/?limit=100", forms.Alert)
        named = [each for each in listed if each.get("name") == alert.name]
        number = insight["id"] if insight else None
        there = [each for each in named if forms.watched(each) == number] if number else []
        if there:
            if not _contains(there[0], alert.fields):
                path = f"alerts/{there[0]['id']}/"
                self._change(f"change the alert {alert.name!r}", path, alert.fields)
            return
        for each in named:
            # It watches an insight that left the dashboard: with a second alert, both would notify.
            if self._was_ours(forms.watched(each), f"{TAG}:{alert.tile}"):
                fields = {**alert.fields, "insight": number}
                path = f"alerts/{each['id']}/"
                self._change(f"let the alert {alert.name!r} watch its tile", path, fields)
                return
        more: dict[str, Any] = {"name": alert.name, "enabled": True}
        if not self._dry and insight is not None:
            more["subscribed_users"] = [self._project.myself()]
            more["insight"] = insight["id"]
        self._make(f"the alert {alert.name!r}", "alerts/", {**more, **alert.fields})

    def _was_ours(self, number: int | None, tag: str) -> bool:
        """Return whether an insight that is no longer on our dashboard has our tag."""
        if number is None:
            return False
        try:
            found: forms.Insight = self._project.get(f"insights/{number}/", forms.Insight)
        except RequestError as error:
            if error.status != 404:
                raise
            return False
        return tag in (found.get("tags") or ())

    def _make(self, what: str, path: str, fields: Mapping[str, Any], form: Any = Any) -> Any:
        """Make an object, and return PostHog's answer; None in a dry run."""
        return self._project.post(path, fields, form) if self._goes_ahead(f"make {what}") else None

    def _change(self, what: str, path: str, fields: Mapping[str, Any]) -> None:
        """Change an object, unless this is a dry run."""
        if self._goes_ahead(what):
            self._project.patch(path, fields)

    def _goes_ahead(self, what: str) -> bool:
        """Say what is or would be done; return whether to do it."""
        self.changes += 1
        self._say(f"Would {what}." if self._dry else f"{what[0].upper()}{what[1:]}.")
        return not self._dry


def _contains(there: Any, wanted: Any) -> bool:
    """Return whether `there` has all that is wanted; PostHog may have added default values."""
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
