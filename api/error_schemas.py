"""The wire: the one form that all errors have."""

from collections.abc import Mapping

from pydantic import Field

from lucency.api.schemas import Wire
from lucency.configs.errors import ImageFault


class ErrorBody(Wire):
    """A stable code for programs and one sentence for people."""

    code: str
    message: str
    fault: ImageFault | None = Field(
        default=None,
        description="only of an image that is refused: why, in one stable word",
    )


class ErrorAnswer(Wire):
    """What every refused request is answered with."""

    error: ErrorBody


def error_answer(
    code: str, message: str, *, fault: ImageFault | None = None
) -> Mapping[str, Mapping[str, str]]:
    """An `ErrorAnswer` as JSON: the one form that all errors have."""
    body = ErrorBody(code=code, message=" ".join(message.split()), fault=fault)
    return ErrorAnswer(error=body).model_dump(mode="json", exclude_none=True)


def image_error_code(fault: ImageFault) -> str:
    """The stable code of an image that is refused: by the router, or because it is unreadable."""
    routed = fault in (ImageFault.NO_RADIOGRAPH, ImageFault.NO_MODEL)
    return "unsuitable_image" if routed else "unreadable_image"
