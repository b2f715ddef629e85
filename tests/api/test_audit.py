import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from lucency.api import audit as audit_module
from lucency.api import audit_command
from lucency.api.audit import AuditError, AuditLog, outcome_of, outcome_of_error
from lucency.api.audit_check import AuditSummary, verify_audit
from lucency.api.audit_records import FIRST_PREVIOUS, read_line, sealed_line
from lucency.api.schemas import Report
from lucency.configs.errors import ConfigError, ImageFault

Lines = list[bytes]


def write(log: AuditLog, number: int = 0) -> None:
    log.record(
        request_id=f"request-{number}",
        client="ward",
        image_sha256="ab" * 32,
        bundles={"fracture": "cd" * 32},
        operating_point="balanced",
        outcome={"findings": {"fracture": {"sure": number}}},
    )


def fill(path: Path, count: int, *, first: int = 1) -> None:
    log = AuditLog(path)
    for number in range(first, first + count):
        write(log, number)
    log.close()


def lines_of(path: Path) -> Lines:
    return path.read_bytes().splitlines(keepends=True)


def told(path: Path, **given: Any) -> tuple[int, str]:
    """Line and kind of the problem."""
    problem = verify_audit(path, **given).problem
    assert problem is not None
    return problem.line, problem.kind


def test_a_record(tmp_path: Path) -> None:
    fill(tmp_path / "audit", 2)
    first, second = (json.loads(line) for line in lines_of(tmp_path / "audit"))
    assert (first["sequence"], first["previous"]) == (1, FIRST_PREVIOUS)
    assert (second["sequence"], second["previous"]) == (2, first["hash"])
    assert second["request_id"] == "request-2"
    assert second["client"] == "ward"
    assert second["bundles"] == {"fracture": "cd" * 32}
    assert second["outcome"] == {"findings": {"fracture": {"sure": 2}}}
    assert second["time"].endswith("Z")
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o600


def test_the_hash_is_that_of_the_canonical_json_of_the_rest(tmp_path: Path) -> None:
    from hashlib import sha256

    fill(tmp_path / "audit", 1)
    record = json.loads((tmp_path / "audit").read_text())
    told_hash = record.pop("hash")
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"))
    assert sha256(canonical.encode()).hexdigest() == told_hash


def test_the_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    for first in (1, 4, 7):
        fill(tmp_path / "audit", 3, first=first)
    summary = verify_audit(tmp_path / "audit")
    assert (summary.records, summary.problem) == (9, None)
    assert summary.last_hash == json.loads(lines_of(tmp_path / "audit")[-1])["hash"]
    assert summary.first_time <= summary.last_time


def test_many_threads_write_one_chain(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit")
    threads = [
        threading.Thread(target=lambda: [write(log, number) for number in range(50)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert verify_audit(tmp_path / "audit").records == 400


def change(lines: Lines) -> None:
    lines[4] = lines[4].replace(b'"sure":5', b'"sure":0')


def write_anew(lines: Lines) -> None:
    values = json.loads(lines[4])
    del values["hash"]
    lines[4] = sealed_line(values | {"client": "nobody"})[0]


def spoil(lines: Lines) -> None:
    lines[4] = b"rubbish\n"


def name_another(lines: Lines) -> None:
    values = json.loads(lines[0])
    del values["hash"]
    lines[0] = sealed_line(values | {"previous": "1" * 64})[0]


def renumber(lines: Lines) -> None:
    """Takes out a line and numbers the others as if it had not been there."""
    del lines[4]
    for place in range(4, len(lines)):
        lines[place] = lines[place].replace(
            b'"sequence":%d' % (place + 2), b'"sequence":%d' % (place + 1)
        )


def swap(lines: Lines) -> None:
    lines[4], lines[5] = lines[5], lines[4]


def to_the_end(lines: Lines) -> None:
    lines.append(lines.pop(4))


TAMPERINGS: dict[str, tuple[Callable[[Lines], object], tuple[int, str]]] = {
    "changed": (change, (5, "changed")),
    "changed, and the hash made to fit": (write_anew, (5, "changed")),
    "spoilt": (spoil, (5, "changed")),
    "blank": (lambda lines: lines.__setitem__(4, b"\n"), (5, "changed")),
    "the last one changed": (lambda lines: lines.__setitem__(9, b"{}\n"), (10, "changed")),
    "the first one names another": (name_another, (1, "changed")),
    "removed": (lambda lines: lines.pop(4), (5, "removed")),
    "the first ones removed": (lambda lines: lines.__delitem__(slice(0, 3)), (1, "removed")),
    "removed and renumbered": (renumber, (5, "changed")),
    "a copy inserted": (lambda lines: lines.insert(4, lines[1]), (5, "inserted")),
    "the line itself twice": (lambda lines: lines.insert(5, lines[4]), (6, "inserted")),
    "a copy at the end": (lambda lines: lines.append(lines[2]), (11, "inserted")),
    "rubbish inserted": (lambda lines: lines.insert(4, b"rubbish\n"), (5, "inserted")),
    "a blank line inserted": (lambda lines: lines.insert(4, b"\n"), (5, "inserted")),
    "a very long line inserted": (
        lambda lines: lines.insert(4, b"x" * 3_000_000 + b"\n"),
        (5, "inserted"),
    ),
    "exchanged": (swap, (5, "reordered")),
    "moved to the end": (to_the_end, (5, "reordered")),
    "cut in the middle of a line": (
        lambda lines: lines.__setitem__(9, lines[9][:-30]),
        (10, "truncated"),
    ),
    "without the last line feed": (
        lambda lines: lines.__setitem__(9, lines[9][:-1]),
        (10, "truncated"),
    ),
}


@pytest.mark.parametrize("tamper, found", TAMPERINGS.values(), ids=TAMPERINGS)
def test_what_was_done_to_it_is_found(
    tmp_path: Path, tamper: Callable[[Lines], object], found: tuple[int, str]
) -> None:
    path = tmp_path / "audit"
    fill(path, 10)
    lines = lines_of(path)
    tamper(lines)
    path.write_bytes(b"".join(lines))
    assert told(path) == found


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    fill(path, 3)
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert verify_audit(path).problem is not None, place


def test_a_noted_hash_shows_a_cut_end(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    fill(path, 10)
    noted = verify_audit(path).last_hash
    fill(path, 3, first=11)
    assert verify_audit(path, expect=noted).problem is None
    path.write_bytes(b"".join(lines_of(path)[:9]))
    assert verify_audit(path).problem is None
    assert told(path, expect=noted) == (9, "truncated")


@pytest.mark.parametrize("kept", [0, 1, 100], ids=["nothing", "a byte", "much"])
def test_a_torn_line_stays_and_is_told(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "audit"
    fill(path, 3)
    torn = lines_of(path)[2][:kept]
    path.write_bytes(b"".join(lines_of(path)[:2]) + torn)
    fill(path, 2)
    lines = lines_of(path)
    summary = verify_audit(path)
    assert summary.problem is None
    if not kept:
        assert (summary.records, summary.torn_lines) == (4, ())
        return
    assert (summary.records, summary.torn_lines) == (5, (3,))
    assert lines[2] == torn + b"\n"
    assert json.loads(lines[3])["outcome"]["recovered"]["bytes"] == kept
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    assert told(path) == (3, "removed")
    path.write_bytes(b"".join([*lines[:2], b"x" + lines[2], *lines[3:]]))
    assert told(path)[0] == 3


def test_a_file_that_was_torn_in_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "audit").write_bytes(b'{"bundles":')
    fill(tmp_path / "audit", 1)
    summary = verify_audit(tmp_path / "audit")
    assert (summary.records, summary.torn_lines, summary.problem) == (2, (1,), None)


WRITER = """
import sys
from pathlib import Path
from lucency.api.audit import AuditLog
log = AuditLog(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    log.record(request_id=str(number), client="", image_sha256=None, bundles={},
               operating_point=None, outcome={})
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def test_what_was_recorded_outlives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    before = 0
    for _ in range(2):
        command = [sys.executable, "-c", WRITER, str(path)]
        told_of = 0
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                told_of = int(line) if line.endswith("\n") else told_of
                if told_of == 200:
                    process.send_signal(signal.SIGKILL)
        summary = verify_audit(path)
        assert summary.problem is None
        assert summary.records >= before + told_of >= before + 200
        before = summary.records
    fill(path, 1)
    assert verify_audit(path).records == before + 1


def test_one_process_at_a_time(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit")
    with pytest.raises(ConfigError, match="another process writes to it"):
        AuditLog(tmp_path / "audit")
    log.close()
    AuditLog(tmp_path / "audit").close()


def test_files_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "torn").write_text("hello")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "open").touch(mode=0o600)
    (tmp_path / "open").chmod(0o620)
    fill(tmp_path / "changed", 2)
    data = (tmp_path / "changed").read_bytes()
    (tmp_path / "changed").write_bytes(data.replace(b'"sure":2', b'"sure":3'))
    for name, match in {
        "text": "no audit record",
        "torn": "no audit file",
        "changed": "was changed",
        "pipe": "ordinary file",
        "open": "others may change it",
        "missing/audit": "cannot be opened",
        "": "cannot be opened",
    }.items():
        before = {path.name: path.lstat().st_size for path in tmp_path.iterdir()}
        with pytest.raises(ConfigError, match=match):
            AuditLog(tmp_path / name)
        assert before == {path.name: path.lstat().st_size for path in tmp_path.iterdir()}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Writing beyond ``size`` bytes fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_leaves_no_half_record(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    log = AuditLog(path)
    write(log, 1)
    size = path.stat().st_size
    with largest_file(size + 50):
        for _ in range(2):
            with pytest.raises(AuditError, match="cannot be written"):
                write(log, 2)
            assert path.stat().st_size == size
    write(log, 3)
    log.close()
    summary = verify_audit(path)
    assert (summary.records, summary.torn_lines, summary.problem) == (2, (), None)


def test_a_half_record_that_cannot_be_taken_back_stops_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit"
    log = AuditLog(path)
    write(log, 1)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(audit_module.os, "ftruncate", refuse)
    with largest_file(path.stat().st_size + 50), pytest.raises(AuditError):
        write(log, 2)
    with pytest.raises(AuditError, match="start the service again"):
        write(log, 3)
    log.close()
    fill(path, 1)
    summary = verify_audit(path)
    assert (summary.records, summary.torn_lines) == (3, (2,))


def test_a_removed_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "SYNC_S", 0.01)
    log = AuditLog(tmp_path / "audit")
    write(log, 1)
    (tmp_path / "audit").unlink()
    deadline = time.monotonic() + 5
    with pytest.raises(AuditError, match="was removed"):
        while time.monotonic() < deadline:
            write(log, 2)
            time.sleep(0.01)
    log.close()


def test_records_after_the_end_are_refused(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit")
    log.close()
    log.close()
    with pytest.raises(AuditError, match="is closed"):
        write(log)


def test_a_record_that_could_not_be_read_again_is_refused(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit")
    with pytest.raises(AuditError, match="too long"):
        log.record(
            request_id="",
            client="x" * 2_000_000,
            image_sha256=None,
            bundles={},
            operating_point=None,
            outcome={},
        )
    write(log)
    log.close()
    assert verify_audit(tmp_path / "audit").records == 1


def test_text_from_outside_cannot_end_a_line(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit")
    for text in ('a\n{"sequence":2}', '"},"hash":"' + "0" * 64 + '"}', "\ud800", "ä"):
        log.record(
            request_id=text,
            client=text,
            image_sha256=None,
            bundles={text: text},
            operating_point=None,
            outcome={"error": text},
        )
    log.close()
    assert len(lines_of(tmp_path / "audit")) == 4
    assert verify_audit(tmp_path / "audit").problem is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        sealed_line({"sequence": True, "time": "", "previous": ""})[0][:-1],
        sealed_line({})[0][:-1],
        sealed_line({"sequence": 1, "time": "\x1b[2J", "previous": ""})[0][:-1],
    ],
    ids=["nothing", "no seal", "nested", "no number", "no fields", "no time"],
)
def test_lines_that_are_no_records(line: bytes) -> None:
    assert read_line(line) is None


def run(*arguments: object) -> tuple[str, str]:
    app = typer.Typer()
    app.command()(audit_command.audit)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.output, str(result.exception or "")


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    path.touch()
    assert run(path) == ("no records\n", "")
    fill(path, 12)
    output, error = run(path)
    summary: AuditSummary = verify_audit(path)
    assert error == ""
    assert output == (
        f"12 records hold, from {summary.first_time} to {summary.last_time}; hash of the last of "
        f"them:\n{summary.last_hash}\n"
    )
    assert run(path, "--expect", summary.last_hash.upper())[1] == ""
    assert "line 12: truncated" in run(path, "--expect", "0" * 64)[1]
    path.write_bytes(b"".join(lines_of(path)[2:]))
    output, error = run(path)
    assert output == "no record holds\n"
    assert error == f"{path}: line 1: removed: records 1 to 2 are missing before it"
    assert "cannot be read: No such file" in run(tmp_path / "missing")[1]


def test_outcomes(small_report: Report) -> None:
    assert outcome_of(small_report) == {
        "report": "ab12",
        "body_part": "bone",
        "findings": {"fracture": {"sure": 1, "doubtful": 2}, "lesion": {"doubtful": 1}},
        "verdicts": {"tbnet": {"tb": True}},
        "flags": {"out-of-distribution": 1},
        "thresholds": {"fracture-net": {"fracture": 0.3, "lesion": 0.3}, "tbnet": {"tb": 0.5}},
    }
    assert outcome_of_error("unreadable_image", ImageFault.TRUNCATED) == {
        "error": "unreadable_image",
        "fault": "truncated",
    }
    assert outcome_of_error("too_large") == {"error": "too_large"}
    assert json.dumps(outcome_of(small_report))
