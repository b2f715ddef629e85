"""The description of the interface, `/openapi.json`: what FastAPI cannot know is added."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from lucency.api.error_schemas import ErrorAnswer
from lucency.api.examples import WHOLE_ANSWERS
from lucency.api.feedback_schemas import Feedback
from lucency.configs.bundle import RESEARCH_USE

_DESCRIPTION = f"""{RESEARCH_USE}

An application posts a radiograph and gets boxes and class probabilities. Every error has one form,
`{{"error": {{"code", "message", "fault"}}}}`, with stable codes.

Keys are asked for only where the service was started with some; then `/healthz`, `/readyz` and
`/v2/health/…` need none all the same.
"""
TAGS = {
    "analysis": "Find and localise anomalies.",
    "viewer": "What a page needs to show an image.",
    "feedback": "What readers make of the boxes.",
    "models": "What is loaded, how it was made and how good it is.",
    "health": "Probes and metrics.",
    "open inference protocol": "Health and metadata as KServe's version 2 has them.",
}
SECURITY_SCHEMES = {
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
# Probes never need a key.
_OPEN = ("/healthz", "/readyz", "/v2/health/")
# FastAPI's own form of an error; ours have another.
_THEIRS = "HTTPValidationError"
_REFERENCE = "#/components/schemas/{model}"


def describe(app: FastAPI) -> dict[str, Any]:
    """The description of the application, made once; FastAPI calls it as ``app.openapi``."""
    if app.openapi_schema is None:
        app.openapi_schema = _described(app)
    return app.openapi_schema


def _described(app: FastAPI) -> dict[str, Any]:
    described = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=_DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    schemas = described["components"]["schemas"]
    for model in (Feedback, ErrorAnswer):  # referred to, but no route's parameter or answer
        schema = model.model_json_schema(ref_template=_REFERENCE)
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    for name in (_THEIRS, "ValidationError"):
        schemas.pop(name, None)
    described["components"]["securitySchemes"] = SECURITY_SCHEMES
    for path, methods in described["paths"].items():
        for operation in methods.values():
            if _THEIRS in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
            if operation["operationId"] in WHOLE_ANSWERS:
                example = WHOLE_ANSWERS[operation["operationId"]].model_dump(mode="json")
                operation["responses"]["200"]["content"]["application/json"]["example"] = example
            # {} means that none is needed: a service may have no keys.
            keys: list[dict[str, list[str]]] = [{name: []} for name in SECURITY_SCHEMES]
            operation["security"] = [{}] if path.startswith(_OPEN) else [{}, *keys]
    return described
