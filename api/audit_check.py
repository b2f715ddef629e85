"""Whether the chain of an audit file holds, and if not, which line is wrong and how.

A chain cannot show that its end was cut off, or that all of it was written anew by somebody who
knows how. Against both helps a hash that was noted elsewhere: it must still be in the file.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal

from lucency.api.audit import AuditError
from lucency.api.audit_records import FIRST_PREVIOUS, MAX_LINE_BYTES, AuditRecord, read_line

ProblemKind = Literal["changed", "removed", "inserted", "reordered", "truncated"]


@dataclass(frozen=True)
class AuditProblem:
    """The first line, from 1, at which the chain breaks, and what is wrong there."""

    line: int
    kind: ProblemKind
    message: str


@dataclass(frozen=True)
class AuditSummary:
    """What an audit file holds: of a broken one, the part before the break.

    ``torn_lines`` are those that a crash tore and that the record after them tells of;
    ``last_hash`` is 64 zeros where there is no record.
    """

    records: int
    first_time: str
    last_time: str
    last_hash: str
    torn_lines: tuple[int, ...]
    problem: AuditProblem | None


@dataclass(frozen=True)
class _Line:
    """One line without its line feed; of a longer one than a record can be, its beginning."""

    number: int
    data: bytes
    size: int
    sha256: str
    whole: bool  # ends with a line feed

    @property
    def record(self) -> AuditRecord | None:
        return read_line(self.data) if self.whole and self.size == len(self.data) else None


@dataclass
class _Chain:
    """The chain as far as it holds."""

    records: int = 0
    first_time: str = ""
    last_time: str = ""
    last_hash: str = FIRST_PREVIOUS
    torn_lines: list[int] = field(default_factory=list)

    def goes_on_with(self, record: AuditRecord) -> bool:
        in_order = (record.sequence, record.previous) == (self.records + 1, self.last_hash)
        return record.intact and in_order

    def add(self, record: AuditRecord) -> None:
        self.records += 1
        self.first_time = self.first_time or record.time
        self.last_time, self.last_hash = record.time, record.hash


def verify_audit(path: Path, *, expect: str | None = None) -> AuditSummary:
    """Read an audit file from its beginning, in little memory, up to the first break.

    ``expect`` is the hash of a record that was noted earlier.

    Raises
    ------
    AuditError
        The file cannot be read.

    """
    try:
        with path.open("rb") as stream:
            return _verify(stream, expect)
    except OSError as error:
        raise AuditError(f"{path}: cannot be read: {error.strerror}") from None


def _verify(stream: BinaryIO, expect: str | None) -> AuditSummary:
    held = _Chain()
    found = expect is None
    problem: AuditProblem | None = None
    torn: _Line | None = None
    number = 0
    lines = _lines(stream)
    for line in lines:
        number = line.number
        record = line.record
        if record is None and torn is None:
            torn = line  # the next record must tell of it
            continue
        told = (torn.size, torn.sha256) if torn else None
        if record is None or not held.goes_on_with(record) or record.torn != told:
            problem = _diagnose(torn or line, held, chain([line] if torn else [], lines))
            break
        if torn is not None:
            held.torn_lines.append(torn.number)
            torn = None
        held.add(record)
        found = found or record.hash == expect
    else:
        if torn is not None:
            problem = _diagnose(torn, held, ())
        elif not found:
            message = (
                "no record has the hash that was expected: the end of the file was cut off, or "
                "all of it was written anew"
            )
            problem = AuditProblem(number, "truncated", message)
    return AuditSummary(
        records=held.records,
        first_time=held.first_time,
        last_time=held.last_time,
        last_hash=held.last_hash,
        torn_lines=tuple(held.torn_lines),
        problem=problem,
    )


def _lines(stream: BinaryIO) -> Iterator[_Line]:
    number = 0
    while data := stream.readline(MAX_LINE_BYTES):
        number += 1
        size, last, digest = len(data), data, hashlib.sha256()
        while not last.endswith(b"\n"):
            digest.update(last)
            last = stream.readline(MAX_LINE_BYTES)
            if not last:
                break
            size += len(last)
        whole = last.endswith(b"\n")
        digest.update(last.removesuffix(b"\n"))
        yield _Line(number, data.removesuffix(b"\n"), size - whole, digest.hexdigest(), whole)


def _diagnose(line: _Line, held: _Chain, rest: Iterable[_Line]) -> AuditProblem:
    """What is wrong with the line at which the chain does not go on."""
    record, wanted = line.record, held.records + 1
    later = next(
        (other.number for other in rest if other.record and held.goes_on_with(other.record)), None
    )
    if later is not None:
        if record and record.intact and record.sequence > wanted:
            return AuditProblem(
                line.number,
                "reordered",
                f"record {record.sequence} stands before record {wanted}, which is in line {later}",
            )
        return AuditProblem(
            line.number, "inserted", f"does not belong here: the chain goes on in line {later}"
        )
    if not line.whole:
        return AuditProblem(
            line.number,
            "truncated",
            "ends in the middle of a record, by a crash or by somebody's hand; the service tells "
            "of it in the file when it starts again",
        )
    if record is None:
        return AuditProblem(line.number, "changed", f"is not record {wanted}, nor any other")
    return _diagnose_record(line.number, record, held)


def _diagnose_record(number: int, record: AuditRecord, held: _Chain) -> AuditProblem:
    wanted = held.records + 1
    if not record.intact:
        return AuditProblem(number, "changed", "what it says does not fit its hash")
    if record.sequence > wanted:
        missing = (
            f"record {wanted} is"
            if record.sequence == wanted + 1
            else f"records {wanted} to {record.sequence - 1} are"
        )
        return AuditProblem(number, "removed", f"{missing} missing before it")
    if record.sequence < wanted:
        return AuditProblem(
            number, "inserted", f"is record {record.sequence} and stands after record {wanted - 1}"
        )
    if record.previous == held.last_hash:
        return AuditProblem(number, "removed", "the torn line that it tells of is missing")
    if number == 1:
        return AuditProblem(number, "changed", "is the first record and names one before it")
    return AuditProblem(
        number - 1, "changed", "was written anew: the next record names another hash for it"
    )
