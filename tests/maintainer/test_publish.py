"""The public page: nobody can be found in it, whatever one knows, subtracts or compares."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import combinations, compress, permutations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dev_analytics.apps.jupyter import main
from dev_analytics.catalogue.events import EDIT_FORMATS, EXCEPTIONS, MODELS
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.maintainer import anonymous
from dev_analytics.maintainer.anonymous import MIN_USERS, Cell, cells, rounded_down
from dev_analytics.maintainer.page import MADE_BY, MAX_ROWS, RULES, page
from dev_analytics.maintainer.publish import Weeks
from dev_analytics.maintainer.published import (
    SUBJECTS,
    Counted,
    Published,
    PublishedWeek,
    as_json,
    read,
)
from dev_analytics.views.report.forgotten import Forgotten
from dev_analytics.views.report.source import ReportError

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 25, tzinfo=UTC)
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
WORDS = ["gpt-4o", "gpt-4o-mini", "llama3.2", "claude-sonnet-4-5"]
Uses = set[tuple[int, str, int]]
FOUND = settings(max_examples=40, phases=(Phase.generate,))
"""What breaks a promise is enough; to make it small takes longer than all the rest."""


def line(
    user: str | None,
    model: str,
    at: datetime,
    event: str = "$ai_generation",
    lib: str | None = "dev-analytics",
) -> bytes:
    properties = {"$session_id": "s", "seq": 1, "$ai_model": model, "edit_format": "diff"}
    properties |= {"$lib": lib}
    properties |= {"exception": model, "package": "numpy", "kind": "line magic", "name": model}
    record = {"event": event, "distinct_id": user, "uuid": "u", "timestamp": at.isoformat()}
    return json.dumps({**record, "properties": properties}).encode()


def counted(lines: Iterable[bytes], now: datetime = NOW, **more: Any) -> Published:
    weeks = Weeks(now, **more)
    for each in lines:
        weeks.add(each)
    return weeks.published()


def told(lines: Iterable[bytes], now: datetime = NOW, **more: Any) -> list[PublishedWeek]:
    return list(counted(lines, now, **more).weeks)


def lines_of(uses: Iterable[tuple[int, str, int]]) -> list[bytes]:
    return [line(f"user {user}", word, MONDAY + timedelta(weeks=week)) for user, word, week in uses]


def published(uses: Uses) -> list[PublishedWeek]:
    """Return what is told of who used which word in which week."""
    return told(lines_of(uses))


def as_published(weeks: list[PublishedWeek]) -> Published:
    return Published(Counted(MONDAY.date(), NOW.date()), weeks)


def numbers(weeks: Sequence[PublishedWeek]) -> dict[tuple[str, str, str], int]:
    """Return every number of a page by its week, subject and word."""
    found = {(str(week.monday), "", ""): week.users for week in weeks}
    for week in weeks:
        for subject, row in week.subjects.items():
            found |= {(str(week.monday), subject, cell.name): cell.users for cell in row}
    return found


def behind(uses: Uses, place: tuple[str, str, str], weeks: list[PublishedWeek]) -> set[int]:
    """Return the users that a number stands for."""
    monday, subject, word = place
    in_week = {
        (user, name)
        for user, name, week in uses
        if str((MONDAY + timedelta(weeks=week)).date()) == monday
    }
    if subject in ("", "edit_formats"):
        return {user for user, _ in in_week}
    if word != OTHER:
        return {user for user, name in in_week if name == word}
    (told_of,) = [week for week in weeks if str(week.monday) == monday]
    named = {cell.name for cell in told_of.subjects[subject]} - {OTHER}
    return {user for user, name in in_week if name not in named}


@st.composite
def populations(draw: st.DrawFn) -> Uses:
    """Who used what in two weeks: groups about the size at which they are told."""
    uses: Uses = set()
    for week in (0, 1):
        for word in WORDS:
            size = draw(st.one_of(st.integers(0, 5), st.integers(15, 45)))
            first = draw(st.integers(0, 30))
            uses |= {(user, word, week) for user in range(first, first + size)}
    return uses


@FOUND
@given(populations())
def test_every_number_stands_for_at_least_twenty(uses: Uses) -> None:
    weeks = published(uses)
    for place, number in numbers(weeks).items():
        users = behind(uses, place, weeks)
        assert len(users) >= MIN_USERS
        assert MIN_USERS <= number <= len(users)


@FOUND
@given(populations())
def test_no_difference_is_smaller_than_twenty(uses: Uses) -> None:
    """Across tables, totals and successive weeks: of any two, and of sums of any three."""
    found = list(numbers(published(uses)).values())
    for one, other in combinations(found, 2):
        assert one == other or abs(one - other) >= MIN_USERS
    for whole, *parts in combinations(found, 3):
        assert whole == sum(parts) or abs(whole - sum(parts)) >= MIN_USERS


@FOUND
@given(populations(), st.data())
def test_one_user_more_or_less_changes_nothing_or_a_whole_step(
    uses: Uses, data: st.DataObject
) -> None:
    users = sorted({user for user, _, _ in uses})
    if not users:
        return
    gone = data.draw(st.sampled_from(users))
    before = published(uses)
    after = published({use for use in uses if use[0] != gone})
    one, other = numbers(before), numbers(after)
    for place in one.keys() | other.keys():
        change = abs(one.get(place, 0) - other.get(place, 0))
        assert change == 0 or change >= MIN_USERS


@FOUND
@given(populations())
def test_a_later_page_reveals_no_more_about_a_week_than_the_first(uses: Uses) -> None:
    """There is no sum over weeks, so a page with a week more gives nothing to subtract."""
    lines = lines_of(uses)
    early = told(lines, now=MONDAY + timedelta(days=7))
    late = told(lines, now=MONDAY + timedelta(days=14))
    assert late[: len(early)] == early
    shorter = told(lines, now=NOW, since=MONDAY + timedelta(days=1))
    assert shorter == [week for week in late if week.monday > MONDAY.date()]


SINCE = st.sampled_from([None, *(MONDAY + timedelta(days=days) for days in (-14, 0, 1, 7, 8, 21))])


@FOUND
@given(populations(), populations(), st.lists(st.tuples(st.integers(0, 30), SINCE), max_size=5))
def test_a_week_is_counted_once_whatever_comes_or_goes(
    uses: Uses, later: Uses, runs: list[tuple[int, datetime | None]]
) -> None:
    """Late records, deleted ones and other limits move nothing, not even from or to nothing.

    A number that moves by a step tells of one user, and of which if one knows whose came late. Who
    sends made-up users one by one would find by it how many there are.
    """
    seen: dict[date, PublishedWeek | None] = {}
    earlier = None
    for number, (days, since) in enumerate(runs):
        lines = lines_of(later if number % 2 else uses)
        now = MONDAY + timedelta(days=days)
        page_of = counted(lines, now, since=since, earlier=earlier)
        weeks = {week.monday: week for week in page_of.weeks}
        for week in (0, 1):
            monday = (MONDAY + timedelta(weeks=week)).date()
            if page_of.counted.since <= monday < page_of.counted.until:
                told_of = weeks.get(monday)
                assert seen.setdefault(monday, told_of) == told_of
                assert monday < now.date() or number
            else:
                assert monday not in weeks
                assert monday not in seen, "it is forgotten that it was counted"
        assert all(since is None or week.monday >= since.date() for week in page_of.since(since))
        earlier = page_of


def some_of(words: Iterable[str]) -> list[tuple[str, ...]]:
    words = list(words)
    return [some for number in range(len(words)) for some in combinations(words, number + 1)]


MODELS_OF_ALL = {"a": "a", "a model of no list": OTHER}
FORMATS_OF_ALL = {"x": "x", "y": "y", "a format of no list": OTHER}
KINDS = [
    (*models, *formats) for models in some_of(MODELS_OF_ALL) for formats in some_of(FORMATS_OF_ALL)
]
"""What a user who asked models has used."""


def shares(total: int, kinds: int) -> Iterator[tuple[int, ...]]:
    """Return every way to share users among kinds of them."""
    if kinds == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in shares(total - first, kinds - 1):
            yield first, *rest


def test_no_smaller_group_can_be_derived_from_any_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every population there can be: of those that have one page, no group has the same size below.

    Groups are the users of a word, those of two, those of one without the other, and those of none.
    """
    least, most = 2, 5
    monkeypatch.setattr(anonymous, "MIN_USERS", least)
    groups: dict[tuple[bool, ...], str] = {}
    for one, other in permutations("axy", 2):
        groups[tuple(one in kind for kind in KINDS)] = f"{one}"
        groups[tuple(one not in kind for kind in KINDS)] = f"not {one}"
        groups[tuple(one in kind and other in kind for kind in KINDS)] = f"{one} and {other}"
        groups[tuple(one in kind and other not in kind for kind in KINDS)] = f"{one}, not {other}"
        groups[tuple(one not in kind and other not in kind for kind in KINDS)] = "neither"
    sizes: dict[Any, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for total in range(least, most + 1):
        for share in shares(total, len(KINDS)):
            users = [kind for number, kind in zip(share, KINDS, strict=True) for _ in range(number)]
            page_of = tuple(
                tuple(cells({told: who(users, word) for word, told in words.items()}))
                for words in (MODELS_OF_ALL, FORMATS_OF_ALL)
            )
            for members, name in groups.items():
                sizes[page_of][name].add(sum(compress(share, members)))
    assert len(sizes) > 10
    for told_of, found in sizes.items():
        for name, possible in found.items():
            assert max(possible) >= least or len(possible) == least, (told_of, name, possible)


def who(users: list[tuple[str, ...]], word: str) -> set[int]:
    return {number for number, kind in enumerate(users) if word in kind}


@given(st.integers(0, 10**7))
def test_a_number_is_rounded_down_to_steps_of_twenty_and_two_digits(users: int) -> None:
    number = rounded_down(users)
    assert number <= users
    assert number % MIN_USERS == 0
    assert len(str(number).rstrip("0")) <= 2
    assert users - number < max(MIN_USERS, users // 10 + 1)


def test_a_group_that_is_too_small_is_merged_with_the_next_into_other() -> None:
    groups = {"big": set(range(50)), "next": set(range(100, 125)), "small": set(range(200, 203))}
    assert [(cell.name, cell.users) for cell in cells(groups)] == [("big", 40), ("next", 20)]
    groups["small"] = set(range(200, 215))
    assert [(cell.name, cell.users) for cell in cells(groups)] == [("big", 40), (OTHER, 40)]
    groups["small"] = set(range(200, 220))
    assert {cell.name for cell in cells(groups)} == {"big", "next", "small"}
    groups[OTHER] = set(range(300, 320))
    assert {cell.name for cell in cells(groups)} == {"big", "next", "small", OTHER}
    assert cells({"small": {1}, "smaller": {2}}) == []
    assert cells({}) == []


def test_without_other_it_cannot_be_seen_whether_it_is_empty_or_small() -> None:
    """Else a table would say of each of its users that they used nothing else."""
    both = {"a": set(range(40)), "b": set(range(20))}
    assert [(cell.name, cell.users) for cell in cells(both)] == [("a", 40), ("b", 20)]
    for users in ({7}, {77}, set(range(19)), set(range(50, 69))):
        assert cells({**both, "c": users}) in (cells(both), cells({"a": both["a"], "c": users}))
    assert cells({**both, "c": {7}, OTHER: {8}}) == cells(both)


def test_the_group_merged_into_other_does_not_reveal_which_is_smaller() -> None:
    one, more, few = set(range(25)), set(range(100, 126)), set(range(200, 219))
    assert cells({"a": one, "b": more, "c": few}) == cells({"a": more, "b": one, "c": few})
    assert OTHER in {cell.name for cell in cells({"a": one, "b": more, "c": few})}


MUTANTS: list[tuple[str, Callable[[int], int]]] = [
    ("not rounded", lambda users: users),
    ("to ten", lambda users: users // 10 * 10),
    ("to the nearest", lambda users: (users + MIN_USERS // 2) // MIN_USERS * MIN_USERS),
]


@pytest.mark.parametrize(("name", "wrong"), MUTANTS, ids=[name for name, _ in MUTANTS])
def test_a_broken_rule_of_the_page_is_detected(
    name: str, wrong: Callable[[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anonymous, "rounded_down", wrong)
    promise = (
        test_every_number_stands_for_at_least_twenty
        if name == "to the nearest"
        else test_no_difference_is_smaller_than_twenty
    )
    with pytest.raises(AssertionError):
        promise()


def test_a_broken_threshold_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anonymous, "MIN_USERS", 5)
    with pytest.raises(AssertionError):
        test_every_number_stands_for_at_least_twenty()


def of_many(
    word: str, number: int = 30, at: datetime = MONDAY, event: str = "$ai_generation"
) -> Any:
    return [line(f"user {user}", word, at, event) for user in range(number)]


def test_the_page_only_has_words_of_the_vocabularies() -> None:
    """Thirty who say the same private word together do not get it published."""
    odd = "<b>a-private-word</b>"
    events = ("$ai_generation", "$ai_embedding", "error raised", "feature used")
    lines = [each for event in events for each in of_many(odd, event=event)]
    (week,) = told([*lines, *of_many("gpt-4o")])
    names = {cell.name for row in week.subjects.values() for cell in row}
    assert names == {OTHER, "gpt-4o", "diff"}
    assert names <= MODELS.members | EDIT_FORMATS.members | EXCEPTIONS.members
    made = page([week], odd)
    assert "a-private-word" not in made.replace("&lt;b&gt;a-private-word&lt;/b&gt;", "")
    assert "a-private-word" not in as_json(as_published([week]))


def test_only_users_who_agreed_to_dev_are_counted() -> None:
    """A project of PostHog's may hold a website's visitors, and models asked in other ways."""
    events = ("$ai_generation", "$pageview", "error raised", "feature used", "launched")
    for lib in ("web", "posthog-python", None):
        others = [
            line(f"visitor {user}", "gpt-4o", MONDAY, event, lib)
            for event in events
            for user in range(100)
        ]
        assert told(others) == []
        assert told([*others, *of_many("gpt-4o")]) == told(of_many("gpt-4o"))


def test_only_whole_weeks_that_have_ended_count() -> None:
    sunday = MONDAY + timedelta(days=6, hours=23, minutes=59)
    within = of_many("gpt-4o", at=sunday)
    assert told(within, now=MONDAY + timedelta(days=7) - timedelta(seconds=1)) == []
    assert len(told(within, now=MONDAY + timedelta(days=7))) == 1
    assert told(within, since=MONDAY) == told(within)
    assert told(within, since=MONDAY + timedelta(seconds=1)) == []
    # A clock that is wrong makes no week of the future.
    assert told(of_many("gpt-4o", at=NOW + timedelta(weeks=9))) == []


def test_a_user_counts_once_and_records_without_one_not_at_all() -> None:
    assert told([line("one", "gpt-4o", MONDAY) for _ in range(100)]) == []
    both = [line(user, "gpt-4o", MONDAY) for n in range(10) for user in (f"user {n}", f"USER {n}")]
    assert told(both) == []
    assert told([line(None, "gpt-4o", MONDAY) for _ in range(100)]) == []
    assert told([b"", b"{}", b"\xff", b'{"event": 1}']) == []


def test_no_week_is_closed_before_a_record_of_it_was_read() -> None:
    """Exports that are too old would close the weeks since, without anybody, for ever."""

    def unreached(lines: list[bytes], now: datetime, **more: Any) -> date | None:
        weeks = Weeks(now, **more)
        weeks.add(b"\n".join(lines))
        return weeks.unreached

    one, ended = [line("one", "gpt-4o", MONDAY)], MONDAY + timedelta(weeks=1)
    assert unreached(one, ended) is None
    assert unreached(one, ended + timedelta(weeks=2)) == ended.date()
    assert unreached(one, ended + timedelta(weeks=2), since=ended + timedelta(weeks=1)) == (
        (ended + timedelta(weeks=1)).date()
    )
    assert unreached([*one, line("two", "gpt-4o", NOW)], NOW) is None
    # How far exports go is no matter of who said yes, nor of who asked to be forgotten.
    assert unreached([*one, line("two", "gpt-4o", NOW, lib="web")], NOW) is None
    assert unreached([*one, line(None, "gpt-4o", NOW)], NOW) is None
    assert unreached([], ended) == date(1970, 1, 5)
    assert unreached([], ended, earlier=counted([], ended)) is None


def test_forgotten_users_are_in_no_number(tmp_path: Path) -> None:
    forgotten = Forgotten(tmp_path / "list")
    for user in range(11):
        forgotten.add(f"user {user}")
    assert told(of_many("gpt-4o", 30), forgotten=forgotten) == []
    assert len(told(of_many("gpt-4o", 31), forgotten=forgotten)) == 1


@pytest.fixture(scope="module")
def weeks(population: Any) -> list[PublishedWeek]:
    """What is told of a population of five hundred."""
    return told(population.Population(500).lines())


def test_the_truth_of_the_population_can_be_read_from_it(
    weeks: list[PublishedWeek], population: Any
) -> None:
    found = numbers(weeks)
    rising = [found.get((str(week.monday), "models", population.RISING), 0) for week in weeks]
    assert rising[0] < rising[-1]
    newest = {cell.name: cell.users for cell in weeks[-1].subjects["models"]}
    assert max(newest, key=lambda name: newest[name]) == population.RISING


def test_the_page_loads_nothing_external_and_states_its_rules(weeks: list[PublishedWeek]) -> None:
    made = page(weeks, "Made-up users.")
    assert made.startswith(MADE_BY)
    assert not re.search(r"<(script|link|img|iframe|object|base)|\bon\w+=|@import|url\(", made)
    assert not re.search(r"https?:|//", made)
    assert re.findall(r'href="([^"]*)"', made) == ["analytics.json"]
    for rule in RULES:
        assert rule in made
    for subject in SUBJECTS:
        assert subject.why in made
    assert "prefers-color-scheme: dark" in made
    pictures = re.findall(r"<svg.*?</svg>", made)
    assert pictures
    for picture in pictures:
        svg = ElementTree.fromstring(picture)
        described = svg.get("role") == "img" and re.search(r"\d", svg.get("aria-label") or "")
        assert described or svg.get("aria-hidden") == "true"
    assert re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-", "", made) == made, "an identifier"


def test_the_page_shows_the_numbers_of_the_json_and_no_others(weeks: list[PublishedWeek]) -> None:
    fields = json.loads(as_json(as_published(weeks), "note"))
    assert fields["at_least"] == MIN_USERS
    assert [week["week"] for week in fields["weeks"]] == [str(week.monday) for week in weeks]
    given = set(numbers(weeks).values())
    made = page(weeks)
    cut = made.index("<h2>Why nobody")
    shown = re.findall(r'<td class="number">([\d,]+)</td>', made[:cut])
    assert shown
    assert {int(number.replace(",", "")) for number in shown} <= given
    labels = " ".join(re.findall(r'aria-label="[^"]*?(?:weeks?|least)[^:]*: ([^"]*)\."', made))
    assert {int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?=,|$| )", labels) if n} <= given


def test_a_long_table_shows_the_most_frequent_words_and_other() -> None:
    words = [Cell(f"word {number}", 1000 - 20 * number) for number in range(MAX_ROWS + 5)]
    subjects = {subject.name: [*words, Cell(OTHER, 20)] for subject in SUBJECTS}
    made = page([PublishedWeek(date(2026, 1, 5), 1000, subjects)])
    newest = made.partition("<details>")[0]
    assert newest.count('<tr><th scope="row">') == MAX_ROWS
    assert '<th scope="row">other</th>' in newest
    assert "The JSON has 6 more." in newest


def test_with_too_few_users_the_page_says_so() -> None:
    made = page(told(of_many("gpt-4o", 19)))
    assert "nothing can be shown" in made
    assert not re.search(r'class="number"', made)


def test_the_command_writes_both_files_and_overwrites_no_other(
    made: tuple[Path, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    data: Path,
) -> None:
    folder = tmp_path / "new" / "page"
    asked = ["maintainer", "publish", str(folder), str(made[0]), "--note", "Nobody's."]
    assert main(asked) == 1
    said = capsys.readouterr().err
    assert not folder.exists()
    (until,) = re.findall(r"newer exports, or use (--until \S+)$", said)
    asked += until.split()
    assert main(asked) == 0
    assert "index.html" in capsys.readouterr().out
    first = (folder / "index.html").read_text(), (folder / "analytics.json").read_text()
    assert "Nobody&#x27;s." in first[0]
    assert json.loads(first[1])["note"] == "Nobody's."
    assert main(asked) == 0
    assert (folder / "index.html").read_text() == first[0]
    assert {file.name for file in folder.iterdir()} == {"index.html", "analytics.json"}
    (folder / "index.html").write_text("somebody's own")
    assert main(asked) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert (folder / "analytics.json").read_text() == first[1]
    other = str(tmp_path / "other")
    assert main(["maintainer", "publish", other, str(tmp_path / "none")]) == 1
    assert "no such file" in capsys.readouterr().err
    assert main(["maintainer", "publish", other]) == 1
    assert "no archive" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main([*asked[:2], str(tmp_path / "file" / "page"), *asked[3:]]) == 1
    assert capsys.readouterr().err.endswith("/file/page: Not a directory\n")
    assert not data.exists()


def test_a_published_json_that_cannot_be_opened_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "analytics.json").mkdir()
    with pytest.raises(ReportError, match="json: Is a directory"):
        read(tmp_path / "analytics.json", tmp_path / "index.html")


@pytest.mark.parametrize("content", ["", "{", '{"mine": 1}', None, "at_least", "weeks"])
def test_without_the_published_json_nothing_is_counted(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a week would be counted twice, where the JSON was lost or is no longer understood."""
    log, folder = tmp_path / "events.jsonl", tmp_path / "page"
    log.write_bytes(b"\n".join(of_many("gpt-4o")))
    asked = ["maintainer", "publish", str(folder), str(log), "--until", "2026-11-09"]
    assert main(asked) == 0
    html, numbers_file = folder / "index.html", folder / "analytics.json"
    before = html.read_text()
    if content is None:
        numbers_file.unlink()
    elif content in ("at_least", "weeks"):
        fields = json.loads(numbers_file.read_text())
        fields[content] = 10 if content == "at_least" else [{"week": "2026-11-02"}]
        numbers_file.write_text(json.dumps(fields, separators=(",", ":")))
    else:
        numbers_file.write_text(content)
    capsys.readouterr()
    assert main(asked) == 1
    said = capsys.readouterr().err
    assert "restore the file that belongs to the page" in said
    assert said.count("\n") == 1
    assert html.read_text() == before


def test_an_interruption_between_the_two_files_counts_no_week_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, folder = tmp_path / "events.jsonl", tmp_path / "page"
    log.write_bytes(b"\n".join(of_many("gpt-4o", 39)))
    asked = ["maintainer", "publish", str(folder), str(log), "--until", "2026-11-09"]
    replace = Path.replace

    def cut(self: Path, target: Path) -> Path:
        if target.name == "index.html":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", cut)
    assert main(asked) == 1
    assert [file.name for file in folder.iterdir()] == ["analytics.json"]
    monkeypatch.undo()
    log.write_bytes(b"\n".join(of_many("gpt-4o", 40)))
    assert main(asked) == 0
    found = read(folder / "analytics.json", folder / "index.html")
    assert found is not None
    assert [week.users for week in found.weeks] == [20]
    assert page(found.weeks) == (folder / "index.html").read_text()


def test_a_page_that_another_run_wrote_meanwhile_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log, folder = tmp_path / "events.jsonl", tmp_path / "page"
    log.write_bytes(b"\n".join(of_many("gpt-4o", 39)))
    asked = ["maintainer", "publish", str(folder), str(log), "--until", "2026-11-09"]
    published_by = Weeks.published

    def and_another_run(self: Weeks) -> Published:
        monkeypatch.undo()
        assert main(asked) == 0
        return published_by(self)

    monkeypatch.setattr(Weeks, "published", and_another_run)
    assert main(asked) == 1
    assert "another run" in capsys.readouterr().err


def test_deleted_or_late_records_change_no_published_number(tmp_path: Path) -> None:
    """The command itself: the same folder, a month of pages, with ever more or fewer records."""
    log, folder, forgotten = tmp_path / "events.jsonl", tmp_path / "page", tmp_path / "list"
    asked = ["maintainer", "publish", str(folder), str(log), "--list", str(forgotten)]
    asked += ["--until", "2026-11-09"]
    pages = set()
    for users in (39, 40, 80, 19, 0):
        log.write_bytes(b"\n".join(of_many("gpt-4o", users)))
        Forgotten(forgotten).add(f"user {users}")
        assert main(asked) == 0
        pages.add((folder / "index.html").read_text() + (folder / "analytics.json").read_text())
        assert main([*asked, "--since", "2026-11-10"]) == 0
        assert "nothing can be shown" in (folder / "index.html").read_text()
    assert len(pages) == 1


def test_the_sample_page_is_what_the_population_gives(tmp_path: Path) -> None:
    """Run ``make sample`` if this fails."""
    ran = subprocess.run(
        [sys.executable, str(ROOT / "notebooks/public_page.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "invented users" in ran.stdout
    for name in ("index.html", "analytics.json"):
        assert (tmp_path / name).read_text() == (ROOT / "docs/public-page" / name).read_text()
    assert "the users are invented" in (tmp_path / "index.html").read_text()
