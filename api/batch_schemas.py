"""The wire: the answers for several images."""

from pydantic import Field

from lucency.api.error_schemas import ErrorBody
from lucency.api.schemas import Report, Wire


class AnalyzedImage(Wire):
    """An image that was analysed."""

    index: int = Field(ge=0, description="place of the image among those that were sent, from 0")
    report: Report


class RefusedImage(Wire):
    """An image that was refused; the others are answered all the same."""

    index: int = Field(ge=0, description="place of the image among those that were sent, from 0")
    error: ErrorBody


class BatchAnswer(Wire):
    """The answers in the order of the images."""

    results: tuple[AnalyzedImage | RefusedImage, ...]
