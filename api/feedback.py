"""Feedback on disk: one labelme document an image, which ``lucency collect`` understands.

::

    FOLDER/<sha256 of the image>.json    reviewed: what was proposed, and what the reader left
    FOLDER/<sha256 of the image>.png     the image itself, where it was sent
    FOLDER/.earlier/<sha256>-<id>.json   documents that a later one replaced

Images are the bytes that were sent: a DICOM file names the patient. So the folder is made for its
owner alone.
"""

import fcntl
import hashlib
import io
import json
import os
import struct
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lucency.annotations.geometry import Box
from lucency.annotations.image_size import read_header
from lucency.annotations.labelme import REVIEWED
from lucency.annotations.prelabels import OURS, Prelabel, Prelabels, new_document
from lucency.api.feedback_schemas import Feedback, FeedbackBox, FeedbackImage, clipped
from lucency.configs import atomic
from lucency.configs.errors import ConfigError, ImageError, LucencyError
from lucency.datasets.digest_links import SHA256

EARLIER = ".earlier"
SUFFIXES = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif", "dicom": ".dcm"}
_LOCK = ".lock"
_PRIVATE = 0o600
_DIGITS = 2
_NAMED = 3
# 1,000 boxes have 300 kB. Each entry that does not belong there costs microseconds.
MAX_BYTES = 524_288


class FeedbackError(LucencyError):
    """Feedback that cannot be taken as it is (422 `invalid_feedback`)."""


class FeedbackFailedError(LucencyError):
    """Feedback that cannot be stored: the disk is full or refuses (503 `feedback_failed`)."""


class FeedbackStore:
    """Stores feedback in a folder; safe to use from many threads and processes.

    Raises
    ------
    ConfigError
        The folder cannot be made or written to.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / EARLIER).mkdir(mode=0o700, exist_ok=True)
            with _locked(folder):
                pass
        except OSError as error:
            raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from None

    def save(self, feedback: Feedback, *, image: bytes | None, request_id: str) -> str:
        """Store what a reader said of an image, and the image where it was sent.

        A later word on the same image takes the place of an earlier one, which is kept aside.
        Returns an id that stands in the document.

        Raises
        ------
        FeedbackError
            The image is not the one that the feedback is about, or is incomplete.
        FeedbackFailedError
            The disk is full or refuses.

        """
        if image is not None:
            _check_image(image, feedback.image)
        name = feedback.image.sha256
        picture = f"{name}{SUFFIXES[feedback.image.kind]}"
        identity = uuid.uuid4().hex
        document = feedback_document(
            feedback, image=picture, identity=identity, request_id=request_id
        )
        text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
        try:
            with _locked(self._folder):
                if image is not None and not (self._folder / picture).exists():
                    atomic.write_bytes(self._folder / picture, image, mode=_PRIVATE)
                self._keep_earlier(name)
                document_path = self._folder / f"{name}.json"
                atomic.write_bytes(document_path, text.encode(), mode=_PRIVATE)
        except OSError as error:
            raise FeedbackFailedError(
                f"feedback: cannot be stored: {error.strerror}; nothing was changed"
            ) from None
        return identity

    def _keep_earlier(self, name: str) -> None:
        """Copy the document that is about to be replaced, if there is one."""
        try:
            document = (self._folder / f"{name}.json").read_bytes()
        except FileNotFoundError:
            return
        aside = self._folder / EARLIER / f"{name}-{_told_id(document)}.json"
        atomic.write_bytes(aside, document, mode=_PRIVATE)


def parse_feedback(text: str | bytes) -> Feedback:
    """The feedback in a form field; raises `FeedbackError` in one sentence, quoting no text."""
    if len(text) > MAX_BYTES:
        raise FeedbackError(f"feedback: has {len(text)} bytes, and may have {MAX_BYTES}")
    try:
        return Feedback.model_validate_json(text)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
    told = "; ".join(_described(problem) for problem in problems[:_NAMED])
    more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    raise FeedbackError(f"{told}{more}")


def _described(problem: ErrorDetails) -> str:
    place, message = problem["loc"], problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":  # its name is the caller's own word
        place, message = place[:-1], "has a field that does not exist"
    return f"{'.'.join(['feedback', *map(str, place)])}: {message}"


def feedback_document(
    feedback: Feedback, *, image: str, identity: str, request_id: str
) -> Mapping[str, Any]:
    """The labelme document: reviewed, with what was proposed and what the reader left."""
    facts = feedback.image
    named = [box for box in feedback.boxes if box.action != "add"]
    left = [box for box in feedback.boxes if box.action != "reject"]
    models = ", ".join(sorted({box.model for box in named if box.model}))
    proposed = tuple(
        Prelabel(
            box.label,
            Box(*clipped(box.proposed or box.box, facts)),
            score=box.score or 0.0,
            source=box.model or "",
        )
        for box in named
    )
    document = new_document(image, (facts.width, facts.height), Prelabels(models, proposed))
    document["flags"] = {REVIEWED: True}
    document["shapes"] = [_shape(box, facts) for box in left]
    document[OURS][SHA256] = facts.sha256
    document[OURS]["feedback"] = {
        "id": identity,
        "request_id": request_id,
        "report_id": feedback.report_id,
        "received": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "comment": feedback.comment,
        "actions": [box.action for box in feedback.boxes],
    }
    return document


def _shape(box: FeedbackBox, image: FeedbackImage) -> Mapping[str, Any]:
    x1, y1, x2, y2 = (round(value, _DIGITS) for value in clipped(box.box, image))
    shape: dict[str, Any] = {
        "label": box.label,
        "points": [[x1, y1], [x2, y2]],
        "group_id": None,
        "description": "",
        "shape_type": "rectangle",
        "flags": {},
        "mask": None,
    }
    if box.score is not None:
        shape["score"] = box.score
    return shape | {"source": box.model} if box.model else shape


def _told_id(document: bytes) -> str:
    """The id in a stored document, or a new one where somebody has edited that away."""
    try:
        return uuid.UUID(json.loads(document)[OURS]["feedback"]["id"]).hex
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return uuid.uuid4().hex


def _check_image(data: bytes, facts: FeedbackImage) -> None:
    """Make sure that an image is complete and the one meant; raises `FeedbackError`."""
    if hashlib.sha256(data).hexdigest() != facts.sha256:
        raise FeedbackError(
            "file: is not the image of the feedback: its SHA-256 is another than image.sha256; "
            "send the same bytes that were analysed, or none"
        )
    try:
        header = read_header(io.BytesIO(data))
    except (ImageError, ValueError, struct.error, OverflowError) as error:
        reason = str(error) if isinstance(error, ImageError) else "is damaged"
        raise FeedbackError(f"file: {reason}; send the feedback without it") from None
    if (header.kind, header.width, header.height) != (facts.kind, facts.width, facts.height):
        raise FeedbackError(
            f"image: must tell kind and size as the report does: the file is a {header.kind} of "
            f"{header.width} × {header.height} px, not a {facts.kind} of {facts.width} × "
            f"{facts.height} px"
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, against other threads and other processes."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
