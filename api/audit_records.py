"""One line of an audit file: how it is written, sealed and read again.

A line is a JSON object in ASCII without spaces, its keys sorted, but for ``hash``, which stands
last: the SHA-256 of the same object without it. ``previous`` is the hash of the record before, 64
zeros in the first, so that no record can be changed, removed or put in without a trace in every
record after it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FIRST_PREVIOUS = "0" * 64
# Longer lines are no records: an answer's outcome is counts, one for each label of each model.
MAX_LINE_BYTES = 1 << 20
RECOVERED = "recovered"

_TIME = re.compile("[0-9T:.-]{20,30}Z")
_SEAL = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
_SEAL_BYTES = len(',"hash":""}') + 64


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What the chain needs of a record.

    ``intact``: its content fits its hash. ``torn`` are length and SHA-256 of the torn line before
    it, of a record that tells of one.
    """

    sequence: int
    time: str
    previous: str
    hash: str
    intact: bool
    torn: tuple[int, str] | None


def sealed_line(values: Mapping[str, Any]) -> tuple[bytes, str]:
    """The line of a record, with its line feed, and its hash; raises `ValueError` for NaN."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    return f'{text[:-1]},"hash":"{digest}"}}\n'.encode("ascii"), digest


def torn_outcome(size: int, digest: str) -> Mapping[str, Any]:
    """The outcome that tells of a torn line of ``size`` bytes with the SHA-256 ``digest``."""
    return {RECOVERED: {"bytes": size, "sha256": digest}}


def read_line(line: bytes) -> AuditRecord | None:
    """The record that a line without its line feed is, or None if it is none."""
    seal = _SEAL.fullmatch(line, max(0, len(line) - _SEAL_BYTES))
    if seal is None or len(line) > MAX_LINE_BYTES:
        return None
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    sequence, time, previous = (values.get(name) for name in ("sequence", "time", "previous"))
    if type(sequence) is not int or not isinstance(time, str) or not isinstance(previous, str):
        return None
    if not _TIME.fullmatch(time):
        return None
    digest = seal[1].decode("ascii")
    return AuditRecord(
        sequence=sequence,
        time=time,
        previous=previous,
        hash=digest,
        intact=hashlib.sha256(line[:-_SEAL_BYTES] + b"}").hexdigest() == digest,
        torn=_torn(values.get("outcome")),
    )


def _torn(outcome: object) -> tuple[int, str] | None:
    told = outcome.get(RECOVERED) if isinstance(outcome, dict) else None
    if not isinstance(told, dict):
        return None
    size, digest = told.get("bytes"), told.get("sha256")
    return (size, digest) if isinstance(size, int) and isinstance(digest, str) else None
