"""Every error of the interface: its status, when it occurs, and an example."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lucency.api.error_schemas import error_answer
from lucency.configs.errors import ImageFault


@dataclass(frozen=True)
class KnownError:
    """One stable code: its status, when it occurs, and a message (and fault) as it may be."""

    status: int
    when: str
    message: str
    fault: ImageFault | None = None


ERRORS: Mapping[str, KnownError] = MappingProxyType(
    {
        "empty_file": KnownError(400, "The file has no bytes.", "The file has no bytes."),
        "invalid_body": KnownError(
            400,
            "The multipart form is broken or ends early.",
            "The multipart form is broken or ends early; send it again.",
        ),
        "invalid_http": KnownError(
            400, "The request is not valid HTTP.", "The request is not valid HTTP."
        ),
        "unauthorised": KnownError(
            401,
            "The service has API keys, and the request brings none of them.",
            "Give a valid API key in the header X-API-Key or as Authorization: Bearer.",
        ),
        "cross_origin": KnownError(
            403,
            "A page of another server asks, and the service has no API keys.",
            "The request comes from a page of another server.",
        ),
        "not_found": KnownError(
            404,
            "There is no such path.",
            "There is no such path; /docs lists those that there are.",
        ),
        "unknown_model": KnownError(
            422,
            "No model of this name is loaded.",
            "models: there is none named 'fractures'; name some of: fracture, tb",
        ),
        "no_such_model": KnownError(
            404,
            "No model of this name is loaded.",
            "model: there is none named 'fractures'; there are: fracture, tb",
        ),
        "no_feedback": KnownError(
            404,
            "The service has no folder for feedback.",
            "This service takes no feedback: it was started without a folder for it.",
        ),
        "method_not_allowed": KnownError(
            405,
            "The path has no such method.",
            "The path has no such method; the header Allow names those that it has.",
        ),
        "timeout": KnownError(
            408,
            "The body stalled, or was not there by the deadline.",
            "No part of the request's body arrived for 8 s; send it again.",
        ),
        "too_large": KnownError(
            413,
            "The body is above the limit; refused while it streams.",
            "The request is larger than the 67108864 bytes that are accepted.",
        ),
        "zip_too_large": KnownError(
            413,
            "More comes out of the zip archive than is accepted, or suspiciously much.",
            "file: more comes out of the zip archive than is accepted; send fewer or smaller "
            "images at once",
        ),
        "not_an_image": KnownError(
            415,
            "The file is not PNG, JPEG, TIFF or DICOM.",
            "The file is not a PNG, JPEG, TIFF or DICOM image.",
            ImageFault.UNKNOWN_FORMAT,
        ),
        "wrong_host": KnownError(
            421,
            "The request is for another host's name, and the service has no API keys.",
            "Without API keys the service answers only to the name or address of this machine, "
            "such as 127.0.0.1; see `lucency key`.",
        ),
        "unreadable_image": KnownError(
            422,
            "The image is damaged, truncated, of several frames with none named, in an unknown "
            "compression, of too many pixels, or takes too long to decode: see `fault`.",
            "image: is truncated: it ends before its picture does; export or copy it again",
            ImageFault.TRUNCATED,
        ),
        "unsuitable_image": KnownError(
            422,
            "It is no radiograph of chest or bone, or none that a loaded model is for; the "
            "parameter `kind` overrules it.",
            "image: is no radiograph of chest or bone, as far as the router can tell; kind=chest "
            "or kind=bone overrules it",
            ImageFault.NO_RADIOGRAPH,
        ),
        "invalid_request": KnownError(
            422,
            "A parameter or form field is wrong.",
            "frame: should be greater than or equal to 1, got '0'",
        ),
        "unknown_operating_point": KnownError(
            422,
            "A model has no operating point of this name.",
            "operating_point: the model 'fracture' has none named 'strict'; it has: screening, "
            "balanced, specific",
        ),
        "invalid_zip": KnownError(
            422,
            "The zip archive is damaged as a whole, in the Zip64 format, or holds no file.",
            "file: is a damaged zip archive; make it again",
        ),
        "too_many_images": KnownError(
            422,
            "There are more images than are accepted at once.",
            "file: there are more than 32 images; send them in several requests.",
        ),
        "invalid_feedback": KnownError(
            422,
            "The feedback is not as described, or the image is not the one that it is about.",
            "image.sha256: is not that of the file; send the image that the report is about",
        ),
        "head_too_large": KnownError(
            431,
            "Path, query and headers together are too long.",
            "The head is larger than 32768 bytes.",
        ),
        "internal": KnownError(
            500, "A fault of ours; the log says where.", "The service failed; its log says where."
        ),
        "overloaded": KnownError(
            503,
            "More requests wait than can be answered soon; refused before the body is read. "
            "`Retry-After` says when to try again.",
            "The service has all the work it can take; try again in a second.",
        ),
        "deadline": KnownError(
            503,
            "The answer would come too late; work not yet begun was dropped.",
            "image: could not be analysed in time; try again later",
        ),
        "not_ready": KnownError(
            503,
            "The models are still being loaded, or the service is about to end.",
            "The models are not loaded; try again in a few seconds.",
        ),
        "stopping": KnownError(
            503, "The service is being stopped.", "The service is being stopped; try again."
        ),
        "audit_failed": KnownError(
            503,
            "The audit file cannot be written, so no answer leaves.",
            "The answer could not be recorded, so it is not given.",
        ),
        "feedback_failed": KnownError(
            503, "The folder of feedback cannot be written.", "The feedback could not be stored."
        ),
    }
)
# FastAPI would describe it in the media type of the route's own answers.
_SCHEMA = {"$ref": "#/components/schemas/ErrorAnswer"}
# What the middleware may answer on any route, and on those that read a body.
ANYWHERE = ("invalid_http", "wrong_host", "head_too_large", "internal", "stopping")
WITH_BODY = ("cross_origin", "timeout", "too_large", "overloaded")


def documented(
    *codes: str, body: bool = False, key: bool = True
) -> dict[int | str, dict[str, Any]]:
    """The errors of a route for its description, by status.

    Besides ``codes``, those that any route may give; with ``body``, of those that read one; with
    ``key``, of those that need one where the service has keys.
    """
    every = [*codes, *ANYWHERE, *(WITH_BODY if body else ()), *(("unauthorised",) if key else ())]
    described: dict[int | str, dict[str, Any]] = {}
    for status in sorted({ERRORS[code].status for code in every}):
        of_status = {code: ERRORS[code] for code in every if ERRORS[code].status == status}
        examples = {
            code: {
                "summary": error.when,
                "value": error_answer(code, error.message, fault=error.fault),
            }
            for code, error in of_status.items()
        }
        lines = [f"`{code}`: {error.when}" for code, error in of_status.items()]
        described[status] = {
            "description": "\n\n".join(lines),
            "content": {"application/json": {"schema": _SCHEMA, "examples": examples}},
        }
    return described
