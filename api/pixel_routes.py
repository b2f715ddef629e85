"""`POST /v1/pixels`: grey values of an image, for viewers that read neither DICOM nor 16 bits."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lucency.api.analyze_query import FRAME
from lucency.api.errands import Errand, errand_of, run
from lucency.api.error_examples import documented
from lucency.api.examples import one_file
from lucency.api.model_runs import too_late
from lucency.api.refusals import check_image, refusal_of
from lucency.api.uploads import read_file
from lucency.configs.errors import LucencyError
from lucency.datasets.viewing import viewed

ERRORS = (
    *("empty_file", "invalid_body", "not_an_image", "unreadable_image", "invalid_request"),
    "deadline",
)
HEADERS = {
    "Lucency-Width": "Columns of the body.",
    "Lucency-Height": "Rows of the body.",
    "Lucency-Stored-Width": "Columns of the image as stored, which boxes are measured in.",
    "Lucency-Stored-Height": "Rows of the image as stored.",
    "Lucency-Bits": "Every grey value is below 2 to the power of this.",
    "Lucency-Window-Low": "The grey value that is shown black at first; a decimal number.",
    "Lucency-Window-High": "The grey value that is shown white at first, above the low one.",
    "Lucency-Inverted": "1 where low values are bright (MONOCHROME1), so that black and white "
    "change places; else 0.",
}
_NUMBERS = {"Lucency-Window-Low", "Lucency-Window-High"}
router = APIRouter(tags=["viewer"])


class PixelsQuery(BaseModel):
    """Query parameters; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")

    frame: int | None = FRAME
    longest_side: int = Field(
        default=2048,
        ge=64,
        le=4096,
        description="Larger images are reduced by area to this many pixels; none is enlarged.",
        examples=[1024],
    )


class GreyValues(Response):
    """A body of little-endian uint16, row by row."""

    media_type = "application/octet-stream"


@router.post(
    "/v1/pixels",
    operation_id="pixels",
    summary="The grey values of one image, to show it",
    response_class=GreyValues,
    responses=documented(*ERRORS, body=True)
    | {
        200: {
            "description": "Grey values: little-endian uint16, row by row from the top left.",
            "headers": {
                name: {
                    "description": text,
                    "required": True,
                    "schema": {"type": "number" if name in _NUMBERS else "integer"},
                }
                for name, text in HEADERS.items()
            },
            "content": {GreyValues.media_type: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    openapi_extra=one_file("The image: PNG, JPEG, TIFF or DICOM, recognised by its content."),
)
async def pixels(request: Request, query: Annotated[PixelsQuery, Query()]) -> Response:
    """Answer with grey values and how they are shown at first; a viewer windows them itself.

    Nothing is analysed, and nothing but grey values leaves the file.

    For research use only. Not a medical device; not for diagnosis.
    """
    data = await read_file(request)
    async with errand_of(request) as errand:
        try:
            return await run(errand, partial(_grey_values, errand, data, query))
        except TimeoutError:
            raise refusal_of(too_late("image")) from None
        except LucencyError as error:
            raise refusal_of(error) from None


def _grey_values(errand: Errand, data: bytes, query: PixelsQuery) -> Response:
    check_image(data)
    radiograph = errand.service.sandbox.decode(
        data, name="image", frame=query.frame, deadline=errand.deadline
    )
    view = viewed(radiograph, longest_side=query.longest_side)
    height, width = view.grey.shape
    stored_width, stored_height = view.stored_wh
    told = (
        *(width, height, stored_width, stored_height, view.bits, view.low, view.high),
        int(view.inverted),
    )
    headers = {name: str(value) for name, value in zip(HEADERS, told, strict=True)}
    return GreyValues(view.grey.astype("<u2", copy=False).tobytes(), headers=headers)
