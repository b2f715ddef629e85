"""`POST /v1/feedback`: what a reader makes of the boxes of one image."""

import asyncio
import json
from functools import partial

from fastapi import APIRouter, Request, Response

from lucency.api.error_examples import documented
from lucency.api.examples import EXAMPLE_FEEDBACK, answer_of, form
from lucency.api.feedback import FeedbackStore, parse_feedback
from lucency.api.feedback_schemas import FeedbackStored
from lucency.api.limits import Refusal
from lucency.api.logs import LOG
from lucency.api.refusals import refusal_of
from lucency.api.service import service_of
from lucency.api.uploads import FILE, read_form
from lucency.configs.errors import LucencyError

FEEDBACK = "feedback"
ERRORS = ("invalid_body", "invalid_request", "invalid_feedback", "no_feedback", "feedback_failed")
router = APIRouter(tags=["feedback"])


@router.post(
    "/v1/feedback",
    operation_id="feedback",
    summary="Accept, reject, move or add boxes of one image",
    status_code=201,
    response_model=FeedbackStored,
    responses=documented(*ERRORS, body=True)
    | answer_of(
        FeedbackStored(id="0f8fad5bd9cb469fa16570867728950e"),
        status=201,
        description="The feedback is on disk.",
    ),
    openapi_extra=form(
        feedback={
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Feedback"},
            "description": "JSON of `Feedback`.",
            "examples": [EXAMPLE_FEEDBACK.model_dump_json(exclude_none=True)],
        },
        file={
            "type": "string",
            "format": "binary",
            "description": "The image itself, to be kept beside the feedback: the bytes whose "
            "SHA-256 stands in it.",
        },
        optional=(FILE,),
    ),
)
async def feedback(request: Request) -> Response:
    """Store what a reader says of one image, for `lucency collect`.

    A later word on the same image takes the place of an earlier one, which is kept.

    For research use only. Not a medical device; not for diagnosis.
    """
    service = service_of(request)
    if service.feedback is None:
        raise Refusal(
            404,
            code="no_feedback",
            message="This service takes no feedback: it was started without a folder for it.",
        )
    parts = await read_form(request, fields={FEEDBACK: 1, FILE: 1})
    if not parts[FEEDBACK]:
        message = "feedback: must be JSON in the multipart form field 'feedback', got none."
        raise Refusal(422, code="invalid_request", message=message)
    image = parts[FILE][0] if parts[FILE] else None
    request_id = request.scope["state"]["request_id"]
    try:
        save = partial(_save, service.feedback, parts[FEEDBACK][0])
        identity = await asyncio.to_thread(save, image=image, request_id=request_id)
    except LucencyError as error:
        refusal = refusal_of(error)
        if refusal.status_code >= 500:
            LOG.error("no feedback stored", request_id=request_id, reason=str(error))
        raise refusal from None
    body = json.dumps({"id": identity})
    return Response(body, status_code=201, media_type="application/json")


def _save(store: FeedbackStore, text: bytes, *, image: bytes | None, request_id: str) -> str:
    return store.save(parse_feedback(text), image=image, request_id=request_id)
