"""Forgetting: what one identifier sent is gone, everywhere, and nothing of anybody else is."""

from __future__ import annotations

import json
import resource
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fake_api
import pexpect
import pytest
from clickhouse import TABLE, ClickHouse
from fake_api import KEY, PROJECT, FakeApi

from dev_analytics.apps.jupyter import main
from dev_analytics.consent.asking.prompt import READING_SECONDS
from dev_analytics.destinations.archive_file import Archive, read
from dev_analytics.maintainer.forget import (
    Count,
    ForgetError,
    forget,
    identifier,
)
from dev_analytics.maintainer.http import RequestError, Server
from dev_analytics.maintainer.places.archive import InArchive
from dev_analytics.maintainer.places.clickhouse import InClickHouse
from dev_analytics.maintainer.places.posthog import InPostHog
from dev_analytics.maintainer.project import PROJECT_VARIABLE, NoProjectError, Project
from dev_analytics.maintainer.project import project as chosen
from dev_analytics.views.report.forgotten import Forgotten, ForgottenError
from dev_analytics.views.report.source import Source
from dev_analytics.views.report.tally import tally

FAR = 10**6
Records = list[dict[str, Any]]


@pytest.fixture(scope="module")
def records(population: Any) -> Records:
    """The records of a few users."""
    return [json.loads(line) for line in population.Population(4).lines()]


@pytest.fixture
def whose(records: Records) -> str:
    """The identifier that is to be forgotten."""
    return str(records[0]["distinct_id"])


@pytest.fixture
def api(clickhouse: ClickHouse, records: Records) -> Iterator[FakeApi]:
    """A PostHog with the records of a few users, none of whom has a person."""
    clickhouse.run("DROP TABLE IF EXISTS api_events")
    # What is sent again stays in rows of its own, as it does until PostHog's table is merged.
    table = TABLE.replace("ReplacingMergeTree(_timestamp)", "MergeTree")
    clickhouse.run(table.format(name="api_events"))
    server = FakeApi(clickhouse)
    server.store(records)
    server.store(records[:3])  # sent again
    yield server
    server.stop()
    clickhouse.run("DROP TABLE api_events")


def project(api: FakeApi) -> Project:
    return Project(api.url, PROJECT, KEY, sleep=lambda seconds: None)


def stored(api: FakeApi) -> list[tuple[str, int]]:
    """Return how many rows each identifier has."""
    rows = api.clickhouse.ask(
        "SELECT distinct_id, count() AS number FROM api_events GROUP BY distinct_id ORDER BY 1"
    )
    return [(row["distinct_id"], row["number"]) for row in rows]


def do(place: Any, user: str, seconds: float = FAR) -> tuple[Count, list[str]]:
    said: list[str] = []
    left = forget(
        place, user, seconds=seconds, pause=0, say=said.append, sleep=lambda seconds: None
    )
    return left, said


def of(records: Records, user: str) -> Records:
    return [record for record in records if record["distinct_id"] == user]


def test_the_ordinary_deletion_is_accepted_and_deletes_nothing(api: FakeApi, whose: str) -> None:
    before = stored(api)
    answer = project(api).post(
        "persons/bulk_delete/", {"distinct_ids": [whose], "delete_events": True}
    )
    assert answer["persons_found"] == 0
    api.run_job()
    assert stored(api) == before


def test_forget_counts_deletes_and_checks(api: FakeApi, records: Records, whose: str) -> None:
    before = stored(api)
    place = InPostHog(project(api), seconds=1, pause=1)
    mine = of(records, whose)
    assert place.count(whose) == Count(len(mine), len(mine) + 3)
    left, said = do(place, whose)
    assert left == Count(0, 0)
    assert "once a week" in said[0]
    assert stored(api) == [each for each in before if each[0] != whose]
    assert not api.persons, "the person that was made is gone, too"


def test_it_waits_for_the_weekly_job_and_asks_only_once(
    api: FakeApi, records: Records, whose: str
) -> None:
    api.job_after = None
    place = InPostHog(project(api), seconds=1, pause=1)
    left, _ = do(place, whose, seconds=0)
    assert left.stored == len(of(records, whose)) + 3 + 1, "and the event that made the person"
    posts = [one for one in api.requests if "bulk_delete" in one[1]]
    left, said = do(place, whose, seconds=0)
    assert left.stored
    assert said == [], "it is pending already"
    assert [one for one in api.requests if "bulk_delete" in one[1]] == posts
    api.run_job()
    assert do(place, whose) == (Count(0, 0), [])


class Slow:
    """A place that is still deleting when it is first asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def count(self, user: str) -> Count:
        number = 0 if self.asked[-1:] == ["done"] else 7
        return Count(number, number)

    def delete(self, user: str) -> str:
        self.asked.append("deletes")
        return ""

    def is_done(self, user: str) -> bool:
        self.asked.append("done" if self.asked[-1:] == ["asked"] else "asked")
        return self.asked in (["asked"], ["asked", "deletes", "asked", "done"])


def test_a_deletion_that_takes_a_while_is_asked_about_again() -> None:
    place = Slow()
    assert do(place, "user")[0].stored == 0
    assert place.asked == ["asked", "deletes", "asked", "done"]


def test_records_that_arrive_later_need_another_request(
    api: FakeApi, records: Records, whose: str
) -> None:
    place = InPostHog(project(api), seconds=1, pause=1)
    assert do(place, whose)[0].stored == 0
    api.store(of(records, whose)[:2])
    assert do(place, whose)[0].stored == 0
    assert len([one for one in api.requests if "bulk_delete" in one[1]]) == 2


def test_without_a_person_it_says_so_and_claims_nothing(api: FakeApi, whose: str) -> None:
    api.makes_persons = False
    with pytest.raises(ForgetError, match="nothing was deleted"):
        do(InPostHog(project(api), seconds=3, pause=1), whose)
    assert not [one for one in api.requests if "bulk_delete" in one[1]]


def test_a_file_without_records_is_an_error(api: FakeApi) -> None:
    nobody = str(uuid.uuid4())
    assert do(InPostHog(project(api)), nobody) == (Count(0, 0), [])
    assert not [one for one in api.requests if one[0] == "POST" and "query" not in one[1]]


def test_an_interrupted_run_is_completed_by_the_next(
    api: FakeApi, records: Records, whose: str
) -> None:
    number = 0
    while True:
        api.clickhouse.run("TRUNCATE TABLE api_events")
        api.persons, api.pending, api.done = {}, {}, set()
        api.requests.clear()
        api.store(records)
        api.cut_at = number // 2
        api.cut_before = bool(number % 2)
        place = InPostHog(project(api), seconds=1, pause=1)
        whole = True
        try:
            do(place, whose)
        except (RequestError, ForgetError):
            whole = False
        api.cut_at = None
        assert do(place, whose)[0] == Count(0, 0)
        assert whose not in dict(stored(api))
        if whole:
            break
        number += 1
    assert number // 2 >= 8, "every request was cut once"


@pytest.mark.parametrize("scope", ["person:write", "query:read", "project:read"])
def test_a_scope_that_is_missing_is_named(api: FakeApi, whose: str, scope: str) -> None:
    api.scopes.discard(scope)
    with pytest.raises((ForgetError, RequestError), match=scope.partition(":")[0]):
        do(InPostHog(project(api)), whose)


class _OverHttp(BaseHTTPRequestHandler):
    """ClickHouse's HTTP interface, before an engine."""

    server: Any

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        statement = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.statements.append(statement)
        if (self.headers["X-ClickHouse-User"], self.headers["X-ClickHouse-Key"]) != (
            "me",
            "secret",
        ):
            self.send_response(403)
            self.end_headers()
            return
        rows = self.server.engine.run(statement.replace(" ON CLUSTER one", ""))
        sent = "\n".join("\t".join(str(v) for v in row.values()) for row in rows).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)


@pytest.fixture
def own(clickhouse: ClickHouse, records: Records) -> Iterator[Any]:
    """The ClickHouse of a PostHog of one's own: a table that is written, and one that is read."""
    for statement in (
        "DROP DATABASE IF EXISTS own",
        "CREATE DATABASE own",
        TABLE.format(name="own.sharded_events"),
        "CREATE VIEW own.events AS SELECT * FROM own.sharded_events",
    ):
        clickhouse.run(statement)
    rows = "\n".join(
        json.dumps({**r, "team_id": PROJECT, "timestamp": r["timestamp"][:19].replace("T", " ")})
        for r in records
    )
    clickhouse.run(f"INSERT INTO own.sharded_events FORMAT JSONEachRow {rows}")
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _OverHttp)
    server.engine, server.statements = clickhouse, []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
    clickhouse.run("DROP DATABASE own")


def test_a_self_hosted_clickhouse_gets_its_own_statement(
    own: Any, records: Records, whose: str
) -> None:
    url = f"http://127.0.0.1:{own.server_port}"
    server = Server(url, {"X-ClickHouse-User": "me", "X-ClickHouse-Key": "secret"}, "secret")
    other = InClickHouse(server, PROJECT + 1, "own")
    assert other.count(whose) == Count(0, 0), "another project's"
    place = InClickHouse(server, PROJECT, "own", "one")
    number = len(of(records, whose))
    assert place.count(whose) == Count(number, number)
    left, _ = do(place, whose)
    assert left == Count(0, 0)
    (deleted,) = [each for each in own.statements if each.startswith("ALTER")]
    assert deleted == (
        "ALTER TABLE own.sharded_events ON CLUSTER one DELETE "
        f"WHERE team_id = {PROJECT} AND distinct_id = '{whose}'"
    )
    rest = own.engine.ask("SELECT count() AS number FROM own.events")[0]["number"]
    assert rest == len(records) - number
    with pytest.raises(ForgetError, match="letters"):
        InClickHouse(server, PROJECT, "own; DROP")


@pytest.fixture
def archive(tmp_path: Path, records: Records) -> Path:
    """An archive with the records of a few users."""
    kept = Archive(tmp_path)
    kept.deliver([json.dumps(record).encode() for record in records])
    return kept.file


def test_nothing_of_a_forgotten_user_is_left_in_an_archive(
    archive: Path, records: Records, whose: str
) -> None:
    number = len(of(records, whose))
    place = InArchive(archive)
    assert place.count(whose) == Count(number, number)
    assert whose.encode() in archive.read_bytes()
    assert do(place, whose)[0] == Count(0, 0)
    assert len(list(read(archive))) == len(records) - number
    assert whose.encode() not in archive.read_bytes(), "not in a page that is free, either"
    archive.write_bytes(b"SQLite format 3\0 and no more")
    with pytest.raises(ForgetError, match=r"^[^\n]+$"):
        place.count(whose)


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run ``jupyter dev-analytics maintainer``, and give its code and what it said."""

    def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        try:
            code = main(["maintainer", *arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_the_command_says_how_many_and_leaves_them_out_of_reports(
    run: Any, archive: Path, records: Records, whose: str, tmp_path: Path, data: Path
) -> None:
    number = len(of(records, whose))
    log = tmp_path / "export.jsonl"
    log.write_text("".join(json.dumps(record) + "\n" for record in records))
    code, out, err = run("forget", whose, str(archive), "--dry-run")
    assert (code, err) == (0, "")
    assert f"{number} records." in out
    assert "Nothing was changed" in out
    assert InArchive(archive).count(whose).records == number
    assert len(Forgotten()) == 0

    code, out, err = run("forget", whose, str(archive))
    assert (code, out.count("\n")) == (1, 1)
    assert "add --yes" in err

    code, out, err = run("forget", whose.upper(), str(archive), "--yes")
    assert (code, err) == (0, "")
    assert "no records are left" in out
    assert InArchive(archive).count(whose).records == 0
    listed = Forgotten()
    assert whose in listed
    assert whose not in listed.file.read_text()
    assert listed.file.stat().st_mode & 0o077 == 0
    counted = tally(Source(log, data), forgotten=listed)
    assert (counted.of_forgotten, counted.records) == (number, len(records) - number)
    main(["report", str(log)])
    code, out, err = run("forget", whose, str(archive), "--yes")
    assert code == 0
    assert len(Forgotten()) == 1
    assert not data.exists(), "a maintainer's work is no use of dev, and leaves no trace here"


@pytest.mark.parametrize("typed", ["n", "", "y"])
def test_in_a_terminal_the_deletion_is_confirmed(
    archive: Path, records: Records, whose: str, typed: str
) -> None:
    process = pexpect.spawn(
        sys.executable,
        ["-m", "dev_analytics", "maintainer", "forget", whose, str(archive)],
        encoding="utf-8",
        timeout=240,
    )
    number = len(of(records, whose))
    process.expect_exact(f"Delete {number} rows permanently? (y/N): ")
    time.sleep(READING_SECONDS)
    process.sendline(typed)
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0
    assert ("Nothing was changed." in process.before) == (typed != "y")
    assert InArchive(archive).count(whose).records == (0 if typed == "y" else number)


def test_without_a_place_it_is_the_archive_of_this_machine(
    run: Any, records: Records, whose: str, data: Path
) -> None:
    code, out, err = run("forget", whose, "--yes")
    assert (code, out) == (1, "")
    assert "there is no archive on this machine" in err
    data.mkdir()
    kept = Archive(data)
    kept.deliver([json.dumps(record).encode() for record in records])
    assert run("forget", whose, "--yes")[::2] == (0, "")
    assert InArchive(kept.file).count(whose).records == 0


def test_a_clickhouse_without_a_project_is_one_line(run: Any, whose: str) -> None:
    code, out, err = run("forget", whose, "--clickhouse", "http://127.0.0.1:9")
    assert (code, out) == (1, "")
    assert err.endswith(f"no project is given: use --project, or set {PROJECT_VARIABLE}\n")


def test_the_report_leaves_them_out(
    run: Any,
    records: Records,
    whose: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    archive: Path,
) -> None:
    log = tmp_path / "export.jsonl"
    log.write_text("".join(json.dumps(record) + "\n" for record in records))
    run("forget", whose, str(archive), "--yes")
    assert main(["report", str(log), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    number = len(of(records, whose))
    assert (told["records"], told["forgotten_records"]) == (len(records) - number, number)
    assert told["users"] == len({record["distinct_id"] for record in records}) - 1


def test_the_command_deletes_from_posthog(
    run: Any, api: FakeApi, records: Records, whose: str
) -> None:
    named = ("--project", str(PROJECT), "--host", api.url, "--yes")
    code, out, err = run("forget", whose, *named)
    assert (code, out) == (1, "")
    assert "POSTHOG_PERSONAL_API_KEY" in err
    api.job_after = None
    code, out, err = run("forget", whose, *named, "--wait", "0", POSTHOG_PERSONAL_API_KEY=KEY)
    assert (code, err) == (3, ""), "asked for, and not gone yet"
    assert "Run this again later" in out
    api.run_job()
    code, out, err = run("forget", whose, *named)
    assert (code, err) == (0, "")
    assert whose not in dict(stored(api))
    assert KEY not in out


def test_a_failure_is_one_line_without_the_key(
    run: Any, api: FakeApi, whose: str, tmp_path: Path
) -> None:
    named = ("--project", str(PROJECT), "--host", api.url)
    wrong = "phx_another_secret"
    cases = [
        (
            ("forget", whose, *named),
            {"POSTHOG_PERSONAL_API_KEY": wrong},
            "it does not know this key",
        ),
        (
            ("forget", whose, "--project", "43", "--host", api.url),
            {"POSTHOG_PERSONAL_API_KEY": KEY},
            "404",
        ),
        (("forget", whose, "--project", "42", "--host", "http://example.org"), {}, "must be"),
        (
            ("forget", whose, "--project", "42", "--host", "http://127.0.0.1:9"),
            {},
            "cannot be reached",
        ),
        (("forget", whose, str(tmp_path / "none")), {}, "No such file"),
    ]
    for arguments, environment, complaint in cases:
        code, out, err = run(*arguments, **environment)
        assert (code, out) == (1, "")
        assert complaint in err
        assert err.count("\n") == 1
        assert wrong not in err
        assert KEY not in err
    for arguments in (("forget",), ("forget", "nobody"), ("forget", whose, "--project", "x"), ()):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1


def test_a_server_that_asks_to_wait_is_waited_for(api: FakeApi, whose: str) -> None:
    api.busy = 2
    waited: list[float] = []
    asked = Project(api.url, PROJECT, KEY, sleep=waited.append)
    assert asked.query("SELECT 1 AS one FROM events LIMIT 1") == [[1]]
    assert waited == [3, 3]
    api.busy = 10**6
    with pytest.raises(RequestError, match="too many requests"):
        asked.query("SELECT 1 FROM events LIMIT 1")


def test_an_identifier_cannot_inject_sql() -> None:
    for said in ("", "x", "' OR 1=1 --", f"{uuid.uuid4()}'", "1" * 36):
        with pytest.raises(ValueError, match="hexadecimal"):
            identifier(said)


def test_two_processes_that_forget_at_once_keep_both_identifiers(tmp_path: Path) -> None:
    file = tmp_path / "list"
    users = [str(uuid.UUID(int=number)) for number in range(40)]
    lists = [Forgotten(file) for _ in users]
    threads = [
        threading.Thread(target=each.add, args=(user,))
        for each, user in zip(lists, users, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listed = Forgotten(file)
    assert all(user in listed for user in users)
    file.write_text(file.read_text().rstrip("\n"))  # as an editor may leave it
    listed.add(str(uuid.UUID(int=99)))
    assert len(Forgotten(file)) == len(users) + 1


def test_a_list_that_cannot_be_read_stops_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    listed = Forgotten()
    listed.add(str(uuid.uuid4()))
    for broken in (b"\xff\xfe", b"somebody\n"):
        listed.file.write_bytes(broken)
        with pytest.raises(ForgottenError, match=r"^[^\n]+$"):
            Forgotten()
        assert main(["report", str(fake_api.__file__)]) == 1
        assert "those to leave out cannot be read" in capsys.readouterr().err


def test_an_identifier_in_capitals_is_the_one_that_was_forgotten(tmp_path: Path) -> None:
    user = "0b7c4f6e-3d0a-4d0e-9c55-a1b2c3d4e5f6"
    listed = Forgotten(tmp_path / "list")
    listed.add(user)
    assert user.upper() in listed
    assert user.replace("0b", "0c").upper() not in listed


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"persons_found": 0}, "accepted the deletion but deletes nothing"),
        ({"events_queued_for_deletion": False}, "accepted the deletion but deletes nothing"),
        ({"deletion_errors": ["one"]}, "could not delete everything"),
    ],
)
def test_a_deletion_that_posthog_accepts_but_does_not_queue_is_an_error(
    api: FakeApi, whose: str, answer: dict[str, Any], said: str
) -> None:
    api.answers_deletion = answer
    with pytest.raises(ForgetError, match=said):
        do(InPostHog(project(api), seconds=1, pause=1), whose)


def test_an_unusable_place_is_one_line(
    run: Callable[..., tuple[int, str, str]], whose: str, tmp_path: Path
) -> None:
    missing = str(tmp_path / "missing.sqlite")
    assert run("forget", whose, "--wait", "soon")[0] == 2
    assert run("forget", whose, missing) == (
        1,
        "",
        f"jupyter dev-analytics maintainer forget: {missing}: No such file or directory\n",
    )
    log = tmp_path / "log.jsonl"
    log.write_text("{}\n")
    assert (
        "is not an archive; logs and exports are never changed" in run("forget", whose, str(log))[2]
    )
    assert log.read_text() == "{}\n"
    file = tmp_path / "no folder"
    file.touch()
    with pytest.raises(ForgottenError, match=r"Not a directory|File exists"):
        Forgotten(file / "forgotten.txt").add(whose)


def test_a_full_disk_leaves_the_list_as_it_was(
    whose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = Forgotten(tmp_path / "forgotten.txt")
    forgotten.add(str(uuid.uuid4()))
    before = forgotten.file.read_bytes()
    with limited_to(len(before) + 10), pytest.raises(ForgottenError, match="No space left"):
        forgotten.add(whose)
    assert forgotten.file.read_bytes() == before
    Forgotten(forgotten.file).add(whose)
    assert whose in Forgotten(forgotten.file)


@contextmanager
def limited_to(size: int) -> Iterator[None]:
    """Let this process make no file larger than `size`, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_the_project_is_the_one_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTHOG_PERSONAL_API_KEY", KEY)
    monkeypatch.delenv(PROJECT_VARIABLE, raising=False)
    with pytest.raises(NoProjectError, match=f"--project, or set {PROJECT_VARIABLE}"):
        chosen(None, None)
    monkeypatch.setenv(PROJECT_VARIABLE, "17")
    assert chosen(None, None).number == 17
    assert chosen(None, 3).number == 3
