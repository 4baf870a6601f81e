"""The questions: HogQL that PostHog's parser reads, whose answers are the report's figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from answers import EXPECTED, Record, losses, ours, same
from clickhouse import ClickHouse, parse
from hogql import ALLOWED

from dev_analytics.maintainer.questions import Question, QuestionError, questions, read
from dev_analytics.views.report.source import Source
from dev_analytics.views.report.tally import Tally, tally

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "docs" / "sample-analytics.jsonl"
QUESTIONS = questions()
TWICE = 2
SAY_LITTLE = (
    *("$ai_generation", "$ai_embedding", "error raised", "launched", "feature used"),
    *("command run", "cell executed"),
)


def ids(question: Question) -> str:
    return question.name


def lines_of(made: tuple[Path, Any]) -> list[bytes]:
    """Return the population, foreign events of the same names, and records that say little."""
    lines = made[0].read_bytes().splitlines(keepends=True)
    other = []
    for number, line in enumerate(lines[: len(lines) // 4]):
        record = json.loads(line)
        record["uuid"] = f"{number:08x}-0000-4000-8000-000000000000"
        record["properties"]["$lib"] = "web"
        record["distinct_id"] = f"somebody else {number % 7}"
        record["timestamp"] = record["timestamp"].replace("2026", "2025")
        other.append(json.dumps(record).encode() + b"\n")
    little = []
    for number, event in enumerate(SAY_LITTLE):
        record = json.loads(lines[0])
        record |= {"event": event, "uuid": f"{number:08x}-0000-4000-8000-000000000001"}
        given = record["properties"]
        kept = {name: given[name] for name in given if name.startswith("$")}
        kept |= {"$session_id": f"0000000{number}-0000-7000-8000-000000000000", "seq": 3}
        if event == "cell executed":
            kept.pop("$lib_version")
        if event == "$ai_embedding":
            kept |= {"$ai_time_to_first_token": 1.5, "$ai_is_error": True, "$ai_model": "other"}
        if event == "error raised":
            kept["frames"] = ["dev_analytics.a:f.<locals>.g:1", "dev_analytics.b:h:2"]
        record["properties"] = kept
        little.append(json.dumps(record).encode() + b"\n")
    return [*lines, *other, *little]


@pytest.fixture(scope="module")
def records(
    made: tuple[Path, Any], clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> list[Record]:
    """The records of this package; the table has each twice, and those of others."""
    lines = lines_of(made)
    file = tmp_path_factory.mktemp("questions") / "events.jsonl"
    file.write_bytes(b"".join(lines))
    clickhouse.fill(file, times=TWICE)
    return ours(lines)


def is_right(question: Question, found: list[dict[str, Any]], records: list[Record]) -> bool:
    if question.name == "losses":
        return same(found, losses(records, TWICE))
    return same(found, EXPECTED[question.name](records))


def test_every_question_has_an_expected_answer() -> None:
    assert {question.name for question in QUESTIONS} == set(EXPECTED)


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(child, dict | list):
            yield from nodes(child)


@pytest.mark.parametrize("question", QUESTIONS, ids=ids)
def test_posthog_s_parser_reads_each_question_and_knows_its_functions(question: Question) -> None:
    tree = parse(question.hogql)
    assert tree["limit"], "PostHog gives 100 rows without one"
    called = {node["name"] for node in nodes(tree) if node.get("node") == "Call"}
    assert called, "the tree was not read"
    assert called <= ALLOWED
    with pytest.raises(ValueError, match=r"\S"):
        parse(question.hogql.replace("\n)\n", "\n", 1))


@pytest.mark.parametrize("question", QUESTIONS, ids=ids)
def test_the_answer_is_what_the_records_say(
    question: Question, records: list[Record], clickhouse: ClickHouse
) -> None:
    """Each record is there twice, and others' are beside them: neither changes an answer."""
    found = clickhouse.ask(question.between())
    assert is_right(question, found, records)
    drawn = {question.drawing.x, question.drawing.by, *question.drawing.y} - {""}
    assert drawn <= set(found[0])


@pytest.mark.parametrize("question", QUESTIONS, ids=ids)
def test_a_question_is_bounded_by_the_dashboard_s_dates(
    question: Question, records: list[Record], clickhouse: ClickHouse, population: Any
) -> None:
    begin = population.BEGINS + timedelta(weeks=8)
    end = begin + timedelta(weeks=4)
    within = [
        record for record in records if begin <= datetime.fromisoformat(record["timestamp"]) < end
    ]
    assert 0 < len(within) < len(records)
    assert is_right(question, clickhouse.ask(question.between(begin, end)), within)


MUTATIONS: list[tuple[str, str]] = [
    ("SELECT DISTINCT\n        uuid,\n", "SELECT\n        uuid,\n"),
    ("        AND properties.$lib = 'dev-analytics'\n", ""),
    ("WHERE properties.$lib = 'dev-analytics'", "WHERE true"),
    ("uniqExact(user)", "count()"),
    ("uniqExact(uuid)", "count()"),
    ("uniqExact(distinct_id)", "count()"),
    ("uniqExactIf(uuid, event = 'cell executed')", "countIf(event = 'cell executed')"),
    ("uniqExact(toFloat(properties.seq))", "count()"),
    (", '$ai_embedding'", ""),
    ("'not given'", "'other'"),
    ("= 'true'", "= 'false'"),
    ("min(", "max("),
    ("max(", "min("),
    ("(0.9)", "(0.5)"),
    ("sum(input)", "sum(output)"),
    ("100 *", "1000 *"),
    ("1000 *", "100 *"),
    ("            -1\n", "            1\n"),
    ("toMonday(timestamp)", "toDate(timestamp)"),
    ("'error raised'", "'cell executed'"),
    ("'cell executed'", "'launched'"),
    ("properties.$ai_model", "properties.$ai_provider"),
    ("properties.$lib_version", "properties.version"),
    ("+ 1", "+ 2"),
    ("first > 1", "first > 0"),
    ("ends = 0", "ends > 0"),
    ("{filters}", "timestamp > toDateTime('2026-06-01 00:00:00')"),
    (", 7)", ", 1)"),
]
MUTANTS = [
    (question, old, new)
    for question in QUESTIONS
    for old, new in MUTATIONS
    if old in question.hogql and (question.name, old) not in {("retention", "uniqExact(user)")}
]


@pytest.mark.parametrize(
    ("question", "old", "new"),
    MUTANTS,
    ids=[f"{q.name}-{old.strip()[:24]}" for q, old, _ in MUTANTS],
)
def test_a_wrong_question_is_caught(
    question: Question, old: str, new: str, records: list[Record], clickhouse: ClickHouse
) -> None:
    wrong = Question(
        question.name,
        question.title,
        question.reason,
        question.drawing,
        question.hogql.replace(old, new),
    )
    try:
        found = clickhouse.ask(wrong.between())
    except RuntimeError:
        return  # ClickHouse itself refuses it
    assert not is_right(question, found, records)


def test_every_mutation_fits_some_question() -> None:
    assert {(old, new) for _, old, new in MUTANTS} == set(MUTATIONS)
    assert {question.name for question, _, _ in MUTANTS} == set(EXPECTED)


@pytest.fixture(params=["sample", "population"])
def told(
    request: pytest.FixtureRequest, made: tuple[Path, Any], clickhouse: ClickHouse
) -> Iterator[Callable[[str], tuple[Tally, list[dict[str, Any]]]]]:
    """The report's own tally of a log, and the answer to a question about the same log."""
    file = SAMPLE if request.param == "sample" else made[0]
    # A table of its own, for what other tests have filled stays as it is.
    clickhouse.fill(file, "told")
    counted = tally(Source(file, file.parent))
    by_name = {question.name: question for question in QUESTIONS}

    def ask(name: str) -> tuple[Tally, list[dict[str, Any]]]:
        return counted, clickhouse.ask(by_name[name].between().replace("FROM events", "FROM told"))

    yield ask
    clickhouse.run("DROP TABLE told")


def test_the_report_counts_the_same(
    told: Callable[[str], tuple[Tally, list[dict[str, Any]]]],
) -> None:
    counted, rows = told("models")
    models: dict[str, list[int]] = {}
    for (_, model), asked in counted.models.items():
        sums = models.setdefault(model, [0] * 4)
        for place, number in enumerate(
            (asked.requests, asked.failed, asked.input_tokens, asked.output_tokens)
        ):
            sums[place] += number
    columns = ("requests", "failures", "input_tokens", "output_tokens")
    assert {row["model"]: [row[name] for name in columns] for row in rows} == models

    _, rows = told("failures")
    assert {
        (row["provider"], row["model"]): (row["requests"], row["failures"]) for row in rows
    } == {name: (asked.requests, asked.failed) for name, asked in counted.models.items()}
    _, rows = told("edit_formats")
    formats: dict[tuple[str, ...], int] = {}
    for row in rows:
        name = (row["edit_format"],)
        formats[name] = formats.get(name, 0) + row["requests"]
    assert formats == counted.edit_formats
    _, rows = told("features")
    assert {(row["kind"], row["feature"]): row["uses"] for row in rows} == counted.features
    _, rows = told("commands")
    assert {(row["command"],): row["uses"] for row in rows} == counted.commands
    _, rows = told("errors")
    raised: dict[tuple[str, ...], int] = {}
    for row in rows:
        key = row["exception"], row["package"]
        raised[key] = raised.get(key, 0) + row["errors"]
    assert raised == counted.errors
    _, rows = told("engagement")
    assert sum(row["all_cells"] for row in rows) == sum(counted.outcomes.values())
    _, rows = told("platforms")
    launches = sum(row["launches"] for row in rows if row["what"] == "version")
    assert launches == sum(counted.launches.values())
    _, rows = told("losses")
    gaps = sum(row["sessions_with_gaps"] for row in rows), sum(r["missing_between"] for r in rows)
    assert gaps == counted.sessions.gaps()
    assert sum(row["sessions"] for row in rows) == len(counted.sessions)


@pytest.fixture(scope="module")
def answers(
    records: list[Record], clickhouse: ClickHouse, made: tuple[Path, Any]
) -> dict[str, list[dict[str, Any]]]:
    """The answers to all questions, on the population alone."""
    clickhouse.fill(made[0], "pure")
    found = {
        question.name: clickhouse.ask(question.between().replace("FROM events", "FROM pure"))
        for question in QUESTIONS
    }
    clickhouse.run("DROP TABLE pure")
    return found


def test_the_answers_are_those_of_the_population(
    answers: dict[str, list[dict[str, Any]]], made: tuple[Path, Any], population: Any
) -> None:
    truth = made[1]
    rates = {row["version"]: row for row in answers["error_rate"]}
    assert max(rates, key=lambda v: rates[v]["errors_per_1000_cells"]) == population.BAD_VERSION
    for version, row in rates.items():
        assert (row["cells"], row["errors"]) == (truth.cells[version], truth.errors[version])
        every = 1000 / population.CELLS_FOR_AN_ERROR[version]
        assert row["errors_per_1000_cells"] == pytest.approx(every, rel=0.1)

    models = {row["model"]: row for row in answers["models"]}
    assert {name: row["requests"] for name, row in models.items()} == truth.requests
    assert {name: row["users"] for name, row in models.items()} == {
        name: len(users) for name, users in truth.users_of_model.items()
    }
    weeks = {
        (population.BEGINS + timedelta(weeks=week)).date().isoformat(): week
        for week in range(population.WEEKS)
    }
    by_week = {
        (weeks[row["week"]], row["model"]): row["requests"] for row in answers["models_by_week"]
    }
    assert by_week == truth.requests_in_week
    early, late = (
        sum(by_week.get((week, population.RISING), 0) for week in some)
        / sum(number for (week, _), number in by_week.items() if week in some)
        for some in (range(4), range(population.WEEKS - 4, population.WEEKS))
    )
    assert late > 2 * early

    asked: dict[str, list[int]] = {}
    for row in answers["edit_formats"]:
        sums = asked.setdefault(row["edit_format"], [0, 0])
        sums[0] += row["requests"]
        sums[1] += row["failures"]
    assert asked == {name: [truth.asked_in[name], truth.failed_in[name]] for name in truth.asked_in}
    assert max(asked, key=lambda name: asked[name][1] / asked[name][0]) == population.BAD_FORMAT

    life = {(row["kind"], row["feature"]): row for row in answers["feature_life"]}
    for feature, row in life.items():
        for column, times in (("first_used", truth.first_use), ("last_used", truth.last_use)):
            assert row[column] == datetime.fromtimestamp(times[feature], UTC).date().isoformat()
    begins = population.BEGINS.date().isoformat()
    assert life[population.COMES[:2]]["first_used"] > begins
    assert life[population.GOES[:2]]["last_used"] < max(row["last_used"] for row in life.values())

    assert [row["users"] for row in answers["engagement"]] == [
        len(truth.active[week]) for week in sorted(truth.active)
    ]
    first = sum(row["users"] for row in answers["retention"] if row["weeks_later"] == 0)
    later = sum(row["users"] for row in answers["retention"] if row["weeks_later"] == 1)
    assert later / first == pytest.approx(population.STAYS, abs=0.1)
    assert sum(row["missing_between"] for row in answers["losses"]) == truth.lost
    assert sum(row["sessions_with_gaps"] for row in answers["losses"]) == truth.sessions_with_losses
    places = {row["place"] for row in answers["errors"] if row["package"] == "dev_analytics"}
    assert places == {population.PLACE}


def test_the_same_seed_makes_the_same_population(population: Any) -> None:
    one, other, third = (list(population.Population(20, seed).lines()) for seed in (1, 1, 2))
    assert one == other
    assert one != third


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("-- title: ", "-- name: ", "does not begin"),
        ("-- draw: table", "-- draw: pie", "not a way to draw"),
        ("{filters}", "true", "dates"),
    ],
)
def test_a_file_that_is_not_a_question_is_refused_with_a_reason(
    old: str, new: str, complaint: str
) -> None:
    text = "-- title: T\n-- reason: R.\n-- draw: table\nSELECT\n    1 WHERE {filters}\n"
    assert read("x", text).title == "T"
    with pytest.raises(QuestionError, match=complaint):
        read("x", text.replace(old, new))
