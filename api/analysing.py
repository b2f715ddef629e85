"""One image of a request: the report on it, or why there is none, and the record of either."""

import asyncio
import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from lucency.api.asking import Asked
from lucency.api.audit import AuditError, outcome_of, outcome_of_error
from lucency.api.batching import DeadlineError
from lucency.api.errands import Errand, run
from lucency.api.limits import Refusal
from lucency.api.logs import LOG, type_and_places
from lucency.api.refusals import check_image, failed, refusal_of
from lucency.configs.errors import ImageError, LucencyError

# The bytes of an image, or why there are none.
Image = bytes | ImageError


async def report_on(errand: Errand, image: Image, asked: Asked) -> bytes:
    """The report on one image as JSON; what comes of it is recorded before it is told.

    Raises
    ------
    Refusal
        There is no report.

    """
    try:
        return await run(errand, partial(_analyse, errand, image, asked))
    except DeadlineError as error:
        refusal = refusal_of(error)
    # Its turn never came. The audit file may be slow, so not in the event loop.
    await asyncio.to_thread(_record_refusal, errand, refusal, image, asked=asked, bundles={})
    raise refusal


def _analyse(errand: Errand, image: Image, asked: Asked) -> bytes:
    bundles: Mapping[str, str] = {}
    try:
        if isinstance(image, ImageError):
            raise image
        check_image(image)
        with errand.service.models.use() as pipeline:
            bundles = {each.manifest.name: each.digest for each in pipeline.bundles}
            # The name of the file may be that of a patient: it goes nowhere.
            analysis = pipeline.analyze(image, name="image", asked=asked, deadline=errand.deadline)
    except Refusal as error:
        refusal = error
    except LucencyError as error:
        refusal = refusal_of(error)
    except Exception as error:  # the image is on record all the same, and others have answers
        LOG.error("unforeseen error", request_id=errand.request_id, **type_and_places(error))
        refusal = failed()
    else:
        report = analysis.report
        errand.service.metrics.analysis(report)
        _record(
            errand,
            image_sha256=report.image.sha256,
            bundles={each.name: each.digest for each in report.models},
            operating_point=report.operating_point,
            outcome=outcome_of(report),
        )
        return report.model_dump_json().encode()
    _record_refusal(errand, refusal, image, asked=asked, bundles=bundles)
    raise refusal


def _record_refusal(
    errand: Errand, refusal: Refusal, image: Image, *, asked: Asked, bundles: Mapping[str, str]
) -> None:
    """Count a refused image and write it into the audit file; raises `Refusal` if that fails."""
    fault = None if refusal.fault is None else refusal.fault.value
    if fault is not None:
        errand.service.metrics.refused_image(fault)
    if refusal.code == "deadline":
        errand.service.metrics.shed(refusal.code)
    if errand.service.audit is not None:
        _record(
            errand,
            image_sha256=hashlib.sha256(image).hexdigest() if isinstance(image, bytes) else None,
            bundles=bundles,
            operating_point=asked.operating_point,
            outcome=outcome_of_error(refusal.code, fault),
        )


def _record(errand: Errand, **entry: Any) -> None:
    """Write into the audit file, if there is one; an answer without its record must not leave."""
    if errand.service.audit is None:
        return
    try:
        errand.service.audit.record(request_id=errand.request_id, client=errand.client, **entry)
    except AuditError as error:
        LOG.error("no record", request_id=errand.request_id, reason=str(error))
        raise refusal_of(error) from None
