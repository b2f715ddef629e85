"""`POST /v1/analyze`: one image, one report."""

from fastapi import APIRouter, Request, Response

from lucency.api.analysing import report_on
from lucency.api.analyze_query import Asking, asked_by
from lucency.api.errands import errand_of
from lucency.api.error_examples import documented
from lucency.api.examples import one_file
from lucency.api.schemas import Report
from lucency.api.uploads import read_file

ERRORS = (
    *("empty_file", "invalid_body", "not_an_image", "unreadable_image", "unsuitable_image"),
    *("invalid_request", "unknown_operating_point", "unknown_model"),
    *("deadline", "not_ready", "audit_failed"),
)
router = APIRouter(tags=["analysis"])


@router.post(
    "/v1/analyze",
    operation_id="analyze",
    summary="Find and localise anomalies in one radiograph",
    response_model=Report,
    responses=documented(*ERRORS, body=True),
    openapi_extra=one_file("The image: PNG, JPEG, TIFF or DICOM, recognised by its content."),
)
async def analyze(request: Request, query: Asking) -> Response:
    """Answer with boxes, the class probabilities of each, and what classifiers say of the image.

    The same bytes, models and parameters give the same answer but for `timings_ms`.

    For research use only. Not a medical device; not for diagnosis.
    """
    asked = asked_by(query)
    data = await read_file(request)
    async with errand_of(request) as errand:
        return Response(await report_on(errand, data, asked), media_type="application/json")
