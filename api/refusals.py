"""Which answer an error of the library becomes: status, stable code, one sentence."""

from lucency.api.audit import AuditError
from lucency.api.batching import DeadlineError
from lucency.api.error_schemas import image_error_code
from lucency.api.feedback import FeedbackError, FeedbackFailedError
from lucency.api.limits import Refusal
from lucency.api.reload import NotReadyError
from lucency.api.zip_images import TooManyImagesError, ZipError, ZipTooLargeError, is_zip
from lucency.configs.errors import ConfigError, ImageError, ImageFault, LucencyError
from lucency.datasets.radiographs import image_kind

# Messages of wrong parameters begin with the parameter's name.
_PARAMETERS = {
    "operating_point": "unknown_operating_point",
    "models": "unknown_model",
}
# What is wrong with a request, whatever its images are.
OF_THE_REQUEST = frozenset({*_PARAMETERS.values(), "invalid_request", "not_ready"})
# Seconds until it is worth trying again.
NOT_READY_RETRY = "2"
BUSY_RETRY = "1"


def check_image(data: bytes) -> None:
    """Refuse what is not the beginning of an image; raises `Refusal`."""
    if not data:
        raise Refusal(400, code="empty_file", message="The file has no bytes.")
    if image_kind(data) is None:
        message = (
            "The file is a zip archive; send it as the only file to /v1/analyze/batch."
            if is_zip(data)
            else "The file is not a PNG, JPEG, TIFF or DICOM image."
        )
        raise Refusal(415, code="not_an_image", message=message, fault=ImageFault.UNKNOWN_FORMAT)


def not_ready() -> Refusal:
    """No models are loaded, or the service is about to end."""
    return refusal_of(NotReadyError("The models are not loaded; try again in a few seconds."))


def failed() -> Refusal:
    """A fault of ours."""
    return Refusal(500, code="internal", message="The service failed; its log says where.")


def refusal_of(error: LucencyError) -> Refusal:
    """The answer for an error."""
    message = str(error)
    match error:
        case ImageError():
            code = image_error_code(error.fault)
            return Refusal(422, code=code, message=message, fault=error.fault)
        case NotReadyError():
            return _later("not_ready", message, after=NOT_READY_RETRY)
        case DeadlineError():
            return _later("deadline", message, after=BUSY_RETRY)
        case AuditError():
            # What the file system says is for the log and those who mend it.
            return _later("audit_failed", "The answer could not be recorded, so it is not given.")
        case ZipError():
            return Refusal(422, code="invalid_zip", message=message)
        case ZipTooLargeError():
            return Refusal(413, code="zip_too_large", message=message)
        case TooManyImagesError():
            return Refusal(422, code="too_many_images", message=message)
        case FeedbackFailedError():
            return _later("feedback_failed", "The feedback could not be stored.")
        case FeedbackError():
            return Refusal(422, code="invalid_feedback", message=message)
        case ConfigError():
            code = _PARAMETERS.get(message.partition(":")[0], "invalid_request")
            return Refusal(422, code=code, message=message)
    raise error


def _later(code: str, message: str, *, after: str = "60") -> Refusal:
    return Refusal(503, code=code, message=message, headers={"Retry-After": after})
