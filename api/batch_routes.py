"""`POST /v1/analyze/batch`: several images, or a zip archive of them; one answer each, in order."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter, Request, Response

from lucency.api.analysing import report_on
from lucency.api.analyze_query import Asking, asked_by
from lucency.api.asking import Asked
from lucency.api.batch_schemas import BatchAnswer
from lucency.api.errands import Errand, errand_of, run
from lucency.api.error_examples import documented
from lucency.api.error_schemas import error_answer
from lucency.api.examples import several_files
from lucency.api.limits import Refusal
from lucency.api.logs import CLIENT_GONE
from lucency.api.refusals import OF_THE_REQUEST, not_ready, refusal_of
from lucency.api.service import service_of
from lucency.api.uploads import FILE, no_file, read_form
from lucency.api.zip_images import ZipLimits, images_of_zip, is_zip
from lucency.configs.errors import ImageError, LucencyError

ERRORS = (
    *("invalid_body", "invalid_request", "unknown_operating_point", "unknown_model"),
    *("invalid_zip", "zip_too_large", "too_many_images"),
    *("deadline", "not_ready", "audit_failed"),
)
# A zip archive may hold so many times the bytes that a request may have.
EXPANSION = 2
router = APIRouter(tags=["analysis"])


@router.post(
    "/v1/analyze/batch",
    operation_id="analyze_batch",
    summary="Find and localise anomalies in several radiographs",
    response_model=BatchAnswer,
    responses=documented(*ERRORS, body=True),
    openapi_extra=several_files(
        "The images, each in a part of this name, or one zip archive that holds them."
    ),
)
async def analyze_batch(request: Request, query: Asking) -> Response:
    """Answer for each image, in their order, as `/v1/analyze` does: its report, or its error.

    The deadline is that of one request: images whose turn does not come in time have the error
    `deadline`.

    For research use only. Not a medical device; not for diagnosis.
    """
    asked = asked_by(query)
    service = service_of(request)
    parts = (await read_form(request, fields={FILE: service.settings.max_batch_images}))[FILE]
    if not parts:
        raise no_file()
    if not service.models.ready:
        raise not_ready()
    async with errand_of(request) as errand:
        images = await _images(errand, parts)
        turns = asyncio.Semaphore(service.settings.at_once)
        results = await asyncio.gather(
            *(_result(errand, index, image, asked, turns) for index, image in enumerate(images))
        )
    body = b'{"results":[' + b",".join(results) + b"]}"
    return Response(body, media_type="application/json")


async def _images(errand: Errand, parts: Sequence[bytes]) -> Sequence[bytes | ImageError]:
    """The images that were sent, as parts or as one archive."""
    if len(parts) > 1 or not is_zip(parts[0]):
        return parts
    settings = errand.service.settings
    limits = ZipLimits(
        images=settings.max_batch_images,
        image_bytes=settings.max_upload_bytes,
        total_bytes=EXPANSION * settings.max_upload_bytes,
    )
    try:
        return await run(errand, partial(images_of_zip, parts[0], limits=limits))
    except LucencyError as error:
        raise refusal_of(error) from None


async def _result(
    errand: Errand, index: int, image: bytes | ImageError, asked: Asked, turns: asyncio.Semaphore
) -> bytes:
    """One result as JSON; raises `Refusal` where the whole request is at fault."""
    # No more at a time than the service analyses at once: other requests have their turns between.
    async with turns:
        try:
            return b'{"index":%d,"report":%b}' % (index, await report_on(errand, image, asked))
        except Refusal as refusal:
            if refusal.code in OF_THE_REQUEST or refusal.status_code == CLIENT_GONE:
                raise
            error = error_answer(refusal.code, str(refusal.detail), fault=refusal.fault)
            return json.dumps({"index": index, **error}, separators=(",", ":")).encode()
