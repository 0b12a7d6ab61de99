"""The log of a run: one line for each event, without secrets, control codes or half lines (security S21, S22)."""

import json
import stat
import threading
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from bief.base.events import BatchCommitted, Event, RunFinished, RunStarted, SourceWarned, StreamFinished
from bief.base.secrets import Redactor
from bief.observe.logs import LogFile, describe, read_log
from bief.observe.printable import printable

CANARY = "canary-7f3e55"
AT = datetime(2024, 2, 29, 12, 30, 0, 123456, tzinfo=UTC)
FORGED = 'x\r\n{"event": "Forged"}\x1b[2J\x00\u202e\u2028\x9b'


class Stopped:
    def now(self):
        return AT

    def monotonic(self):
        return 0.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".bief" / "logs" / "run.jsonl"


@pytest.fixture
def redactor():
    redactor = Redactor()
    redactor.learn(CANARY)
    return redactor


def written(path, redactor, *events):
    with LogFile(path, redactor, Stopped()) as log:
        for event in events:
            log(event)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def finished(**changes):
    given = {"run_id": "r", "stream": "s", "status": "success", "read": 1, "loaded": 1, "rejected": 0, "seconds": 0.5}
    return StreamFinished(**{**given, **changes})


def test_an_event_is_one_line_with_time_level_name_and_fields(path, redactor):
    (record,) = written(path, redactor, RunStarted(run_id="r1", pipeline="p", streams=("a", "b"), at=AT))
    assert record == {
        "at": "2024-02-29T12:30:00.123Z",
        "level": "info",
        "event": "RunStarted",
        "run_id": "r1",
        "pipeline": "p",
        "streams": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (finished(), "info"),
        (finished(status="failed"), "error"),
        (SourceWarned(source="s", stream="t", message="m"), "warning"),
        (RunFinished(run_id="r", pipeline="p", verdict="partial", seconds=1), "warning"),
        (RunFinished(run_id="r", pipeline="p", verdict="failed", seconds=1), "error"),
        (RunFinished(run_id="r", pipeline="p", verdict="success", seconds=1), "info"),
    ],
)
def test_levels(path, redactor, event, level):
    assert written(path, redactor, event)[0]["level"] == level


@pytest.mark.parametrize("kind", Event.__subclasses__(), ids=lambda kind: kind.__name__)
def test_no_field_of_any_event_carries_a_secret_or_a_control_code(path, redactor, kind):
    values = {"str": f"{CANARY} {FORGED}", "int": 1, "float": 0.5, "bool": True, "datetime": AT}
    event = kind(
        **{
            each.name: values.get(each.type, (FORGED, CANARY) if "tuple" in each.type else FORGED)
            for each in fields(kind)
        }
    )
    (record,) = written(path, redactor, event)
    raw = path.read_text(encoding="utf-8")
    assert record["event"] == kind.__name__
    assert CANARY not in raw
    assert all(value == printable(value) for value in record.values() if isinstance(value, str))
    assert not set("\x1b\x00\x9b\u202e\u2028\r") & set(raw)


def test_a_secret_at_the_cut_is_gone_before_the_cut(path, redactor):
    (record,) = written(path, redactor, finished(error="x" * 19_995 + CANARY))
    assert "canary" not in record["error"]


def test_the_log_is_for_its_owner_only_and_grows(path, redactor):
    written(path, redactor, finished())
    assert len(written(path, redactor, finished())) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_each_line_is_there_at_once(path, redactor):
    with LogFile(path, redactor) as log:
        log(finished())
        assert len(list(read_log(path))) == 1


def test_a_closed_log_hears_nothing(path, redactor):
    log = LogFile(path, redactor)
    log.close()
    log(finished())
    assert path.read_text() == ""


def test_threads_do_not_mix_their_lines(path, redactor):
    with LogFile(path, redactor) as log:
        threads = [
            threading.Thread(target=lambda: [log(finished(error="e" * 500)) for _ in range(50)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len([json.loads(line) for line in read_log(path)]) == 200


def test_half_a_line_is_not_read(path, redactor):
    written(path, redactor, finished())
    with path.open("a") as stream:
        stream.write('{"event": "Cut')
    assert len(list(read_log(path))) == 1


def test_following_gives_what_is_written_before_the_end(path, redactor):
    written(path, redactor, finished())
    answers = iter([False, True])

    def ended():
        answer = next(answers)
        with path.open("a") as stream:
            stream.write('half"}\n{"event": "Cut off' if answer else '{"event": "First ')
        return answer

    assert list(read_log(path, ended))[1:] == ['{"event": "First half"}']


def test_lines_are_told_to_people(path, redactor):
    batch = BatchCommitted(
        run_id="r",
        stream="s",
        batch_id="b",
        read=3,
        loaded=2,
        rejected=1,
        filtered=0,
        deduplicated=0,
        deleted=0,
        seconds=0.25,
    )
    written(
        path, redactor, batch, finished(status="failed", error="two words", trace="Traceback\n  File x\nValueError")
    )
    first, second = (describe(line) for line in read_log(path))
    assert first.startswith(
        "2024-02-29T12:30:00.123Z  info     BatchCommitted   run_id=r  stream=s  batch_id=b  read=3"
    )
    assert first.endswith("seconds=0.25")
    assert 'error="two words"' in second
    assert second.splitlines()[1:] == ["    Traceback", "      File x", "    ValueError"]


@pytest.mark.parametrize(
    "line", ["", "not json", "[1]", '{"at": "\\u001b[2J", "x": "\\u001b"}', "\x1b[2J", '{"trace": "\\u001b"}']
)
def test_a_foreign_line_cannot_drive_the_terminal(line):
    assert "\x1b" not in describe(line)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢字 😀", "plain é 漢字 😀"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x00\x7f\x85", "\\x00\\x7f\\x85"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("\ud800", "\\ud800"),
    ],
)
def test_unsafe_characters_are_written_out(text, shown):
    assert printable(text) == shown


def test_long_texts_are_cut():
    assert printable("x" * 100, 10) == "x" * 9 + "…"
