"""The audit file: which image was analysed by which weights, for whom, and what came of it.

Append-only JSON lines, chained by their hashes (`audit_records`). A record is handed to the
operating system in one write before the answer leaves, so it outlives the process, `kill -9`
included. The disk itself is told once a second (fdatasync in a thread of its own): a power cut
can take the last second. One fdatasync a record would cost each request 1 to 20 ms.

No record holds personal data: images are named by digest, callers by the name of their key.
"""

import fcntl
import hashlib
import os
import stat
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lucency.api.audit_records import (
    FIRST_PREVIOUS,
    MAX_LINE_BYTES,
    AuditRecord,
    read_line,
    sealed_line,
    torn_outcome,
)
from lucency.api.schemas import Report
from lucency.configs.errors import ConfigError, LucencyError

SYNC_S = 1.0
_BLOCK_BYTES = 65_536


class AuditError(LucencyError):
    """A record that cannot be written, or a file whose chain is broken.

    An answer without a record must not leave: the service refuses it (503 `audit_failed`).
    """


class AuditLog:
    """Appends records to one file; safe to use from many threads.

    The file is made with mode 0600 and belongs to one process at a time (flock). The chain goes
    on where the last record ended. A last line that a crash tore stays where it is, and a record
    after it tells of its length and digest.

    Raises
    ------
    ConfigError
        The file cannot be opened, is in use, may be changed by other users, or does not end with
        a record.

    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._failure = ""
        self._descriptor = _open(path)
        try:
            self._size = os.fstat(self._descriptor).st_size
            last, torn = _last_record(self._descriptor, self._size, path)
            self._sequence = last.sequence if last else 0
            self._hash = last.hash if last else FIRST_PREVIOUS
            if torn is not None:
                self._append(_entry(outcome=torn_outcome(*torn)), before=b"\n")
                os.fdatasync(self._descriptor)
        except (AuditError, OSError) as error:
            os.close(self._descriptor)
            raise ConfigError(f"{path}: cannot be written: {error}") from None
        except ConfigError:
            os.close(self._descriptor)
            raise
        self._synced = self._size
        self._closing = threading.Event()
        self._syncing = threading.Thread(target=self._sync_until_closed, name="audit", daemon=True)
        self._syncing.start()

    def record(
        self,
        *,
        request_id: str,
        client: str,
        image_sha256: str | None,
        bundles: Mapping[str, str],
        operating_point: str | None,
        outcome: Mapping[str, Any],
    ) -> None:
        """Append one record; when this returns, the operating system has it.

        ``client`` is the name of the API key, ``bundles`` the digest of each model by its name,
        ``outcome`` that of `outcome_of` or `outcome_of_error`.

        Raises
        ------
        AuditError
            The disk is full or failing, or the file was removed: the answer must not leave.

        """
        entry = _entry(
            request_id=request_id,
            client=client,
            image_sha256=image_sha256,
            bundles=dict(bundles),
            operating_point=operating_point,
            outcome=outcome,
        )
        with self._lock:
            self._append(entry)

    def close(self) -> None:
        """Bring everything to the disk and release the file; records are refused from now on."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._syncing.join()
        with self._lock:
            self._sync()
            self._failure = self._failure or "is closed"
            os.close(self._descriptor)

    def _append(self, entry: Mapping[str, Any], *, before: bytes = b"") -> None:
        if self._failure:
            raise AuditError(f"audit file: {self._failure}; mend it and start the service again")
        sequence = self._sequence + 1
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line, digest = sealed_line(
            {**entry, "sequence": sequence, "time": time, "previous": self._hash}
        )
        if len(line) > MAX_LINE_BYTES:
            raise AuditError(f"audit file: a record of {len(line)} bytes is too long")
        data = before + line
        try:
            written = os.write(self._descriptor, data)
            while written < len(data):  # the disk is full after the first part
                written += os.write(self._descriptor, data[written:])
        except OSError as error:
            self._take_back()
            raise AuditError(f"audit file: cannot be written: {error.strerror}") from None
        self._sequence, self._hash = sequence, digest
        self._size += len(data)

    def _take_back(self) -> None:
        """Cut off what was written of a record that never became one."""
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            self._failure = f"a record could be neither completed nor taken back: {error.strerror}"

    def _sync_until_closed(self) -> None:
        while not self._closing.wait(SYNC_S):
            self._sync()

    def _sync(self) -> None:
        size = self._size
        try:
            if os.fstat(self._descriptor).st_nlink == 0:
                self._failure = "was removed"
            if size != self._synced:
                os.fdatasync(self._descriptor)
                self._synced = size
        except OSError as error:
            # Pages that could not be written may be gone by the next attempt.
            self._failure = f"cannot be written: {error.strerror}"


def outcome_of(report: Report) -> Mapping[str, Any]:
    """What an answer said, in counts: with image, weights and thresholds it can be made again."""
    findings: dict[str, Counter[str]] = {}
    for found in report.findings:
        findings.setdefault(found.label, Counter())[found.tier] += 1
    return {
        "report": report.id,
        "body_part": report.image.body_part,
        "findings": {label: dict(tiers) for label, tiers in findings.items()},
        "verdicts": {each.model: dict(each.verdicts) for each in report.classifications},
        "flags": dict(Counter(flag.kind for flag in report.flags)),
        "thresholds": {each.model: dict(each.thresholds) for each in report.thresholds},
    }


def outcome_of_error(code: str, fault: str | None = None) -> Mapping[str, Any]:
    """Why there was no answer: the code and, of an image, the fault that the caller was told."""
    return {"error": code} if fault is None else {"error": code, "fault": str(fault)}


def _entry(
    *,
    request_id: str = "",
    client: str = "",
    image_sha256: str | None = None,
    bundles: Mapping[str, str] | None = None,
    operating_point: str | None = None,
    outcome: Mapping[str, Any],
) -> Mapping[str, Any]:
    """What a record says; that of a torn line has an outcome alone."""
    return {
        "request_id": request_id,
        "client": client,
        "image_sha256": image_sha256,
        "bundles": bundles or {},
        "operating_point": operating_point,
        "outcome": outcome,
    }


def _open(path: Path) -> int:
    """Open and lock the file; raises `ConfigError` if it is not one we may write alone."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be opened: {error.strerror}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(f"{path}: is not an ordinary file; name one, or a new one")
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(f"{path}: others may change it; take that away: chmod go-w {path}")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ConfigError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        raise ConfigError(
            f"{path}: another process writes to it; give each service a file of its own"
        ) from None
    return descriptor


def _last_record(
    descriptor: int, size: int, path: Path
) -> tuple[AuditRecord | None, tuple[int, str] | None]:
    """The last record, None in an empty file, and length and SHA-256 of a torn line after it."""
    if size == 0:
        return None, None
    end = _line_start(descriptor, size)  # behind the last line feed
    torn = None
    if end < size:
        torn = (size - end, _digest(descriptor, end, size))
        if end == 0:
            if os.pread(descriptor, 1, 0) not in (b"{", b"\0"):
                raise ConfigError(f"{path}: is no audit file; name another, or a new one")
            return None, torn
    start = _line_start(descriptor, end - 1)
    data = os.pread(descriptor, min(end - 1 - start, MAX_LINE_BYTES + 1), start)
    last = read_line(data)
    if last is None or not last.intact:
        raise ConfigError(
            f"{path}: its last whole line is no audit record, or was changed; look at it with "
            "`lucency audit`, and move it away to begin a new file"
        )
    return last, torn


def _line_start(descriptor: int, end: int) -> int:
    """Where the line begins that ends at ``end``, exclusive; reads backwards in blocks."""
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _digest(descriptor: int, start: int, end: int) -> str:
    digest = hashlib.sha256()
    while start < end:
        block = os.pread(descriptor, min(_BLOCK_BYTES, end - start), start)
        if not block:
            break
        digest.update(block)
        start += len(block)
    return digest.hexdigest()
