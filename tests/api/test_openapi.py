"""The service against its own description: whatever is sent, it answers as it says it does."""

import io
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from lucency.api.app import create_app
from lucency.api.batch_schemas import BatchAnswer
from lucency.api.connections import Connection
from lucency.api.error_examples import ERRORS
from lucency.api.error_schemas import ErrorAnswer
from lucency.api.examples import EXAMPLE_REPORT
from lucency.api.feedback_schemas import Feedback
from lucency.api.routes import routers
from lucency.api.schemas import Report
from lucency.api.settings import Settings
from lucency.configs.bundle import RESEARCH_USE, Bundle
from lucency.configs.errors import ImageFault

load_all_checks()
EXAMPLES = int(os.environ.get("LUCENCY_FUZZ_EXAMPLES", "30"))  # for each route


@pytest.fixture(scope="module")
def description(client: Any) -> Any:
    return client.get("/openapi.json").json()


@pytest.fixture(scope="module")
def address(
    detector_bundle: Bundle,
    classifier_bundle: Bundle,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A service behind a real socket, with all that it may be started with."""
    folder = tmp_path_factory.mktemp("service")
    given = Settings(
        feedback_folder=folder / "feedback",
        audit_file=folder / "audit.jsonl",
        analyses_at_once=2,
        port=0,
    )
    app = create_app(given, (detector_bundle, classifier_bundle), on_failure=_fail)
    config = uvicorn.Config(app, port=0, http=Connection, log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not (server.started and app.state.service.models.ready):
        assert time.monotonic() < deadline, "the service did not become ready"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


def _fail(error: Exception) -> None:
    raise error


@pytest.fixture(scope="module")
def interface(address: str, description: Any) -> Any:
    schema = schemathesis.openapi.from_dict(description)
    schema.config.update(base_url=address)
    # Of what it sends in the wrong form, some is no image, and some too long.
    schema.config.checks.negative_data_rejection.expected_statuses = WRONG
    return schema


WRONG = ["400", "404", "405", "413", "415", "422", "431"]
POSITIVE = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance"),
)
CHECKS_OF = {
    GenerationMode.POSITIVE: CHECKS.get_by_names(POSITIVE),
    GenerationMode.NEGATIVE: CHECKS.get_by_names((*POSITIVE, "negative_data_rejection")),
}
ROUTES = [
    (method, route.path)
    for router in routers
    for route in router.routes
    if isinstance(route, APIRoute) and route.include_in_schema
    for method in sorted(route.methods)
]
# Of a route without parameters nothing can be wrong, and any text may be a model's name.
CASES = [
    (method, path, mode)
    for method, path in ROUTES
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or method == "POST"
]


def _png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height), 90).save(file, "PNG")
    return file.getvalue()


IMAGES = st.sampled_from([_png(64, 64), _png(30, 50), _png(64, 64)[:80], b"", b"text"])
schemathesis.openapi.format("binary", IMAGES | st.binary(max_size=200))


@pytest.mark.parametrize(
    ("method", "path", "mode"), CASES, ids=[f"{m} {path} {mode.value}" for m, path, mode in CASES]
)
def test_every_answer_is_one_that_is_described(
    interface: Any, method: str, path: str, mode: GenerationMode
) -> None:
    operation = interface[path][method]
    # A part of a batch that is no image is an error of that part alone.
    checks = CHECKS_OF[GenerationMode.POSITIVE if path.endswith("/batch") else mode]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES if "{" in path or method == "POST" else 1,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
    )
    def ask(case: Any) -> None:
        case.call_and_validate(checks=checks, timeout=10)

    ask()


def operations(description: Any) -> list[tuple[str, Any]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_route_is_described(description: Any) -> None:
    names = [operation["operationId"] for _, operation in operations(description)]
    assert len(set(names)) == len(names) == len(ROUTES)
    tags = {tag["name"] for tag in description["tags"]}
    for name, operation in operations(description):
        assert operation["summary"] and operation["description"], name
        assert set(operation["tags"]) <= tags, name
        if name.startswith("post /v1") or name.startswith("get /v1"):
            assert RESEARCH_USE in operation["description"], name


def test_every_parameter_has_a_description_and_an_example(description: Any) -> None:
    parameters = [
        (name, parameter)
        for name, operation in operations(description)
        for parameter in operation.get("parameters", [])
    ]
    assert len(parameters) >= 15
    for name, parameter in parameters:
        assert parameter["description"], name
        assert parameter.get("examples") or parameter["schema"].get("examples"), (name, parameter)


def test_forms_are_described(description: Any) -> None:
    for path in ("/v1/analyze", "/v1/analyze/batch", "/v1/pixels", "/v1/feedback"):
        body = description["paths"][path]["post"]["requestBody"]
        assert body["required"] is True
        form = body["content"]["multipart/form-data"]["schema"]
        assert form["additionalProperties"] is False
        assert "file" in form["properties"]


def test_errors_have_their_code_status_and_example(description: Any) -> None:
    seen = set()
    for name, operation in operations(description):
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                continue
            content = answer["content"]["application/json"]
            assert content["schema"]["$ref"].endswith("/ErrorAnswer"), name
            for code, example in content["examples"].items():
                error = ErrorAnswer.model_validate(example["value"]).error
                assert (error.code, ERRORS[code].status) == (code, int(status)), name
                assert f"`{code}`: {ERRORS[code].when}" in answer["description"]
                seen.add(code)
    assert seen == set(ERRORS) - {"not_found", "method_not_allowed"}
    faults = description["components"]["schemas"]["ImageFault"]["enum"]
    assert set(faults) == {fault.value for fault in ImageFault}
    assert "HTTPValidationError" not in json.dumps(description)


def test_answers_have_examples_that_are_such_answers(description: Any) -> None:
    models = {"/v1/analyze": Report, "/v1/analyze/batch": BatchAnswer}
    for path, model in models.items():
        answer = description["paths"][path]["post"]["responses"]["200"]
        example = answer["content"]["application/json"]["example"]
        model.model_validate(example)
    form = description["paths"]["/v1/feedback"]["post"]["requestBody"]["content"]
    (text,) = form["multipart/form-data"]["schema"]["properties"]["feedback"]["examples"]
    assert Feedback.model_validate_json(text).boxes


def test_keys_are_described_and_probes_need_none(description: Any) -> None:
    assert set(description["components"]["securitySchemes"]) == {"header", "bearer"}
    for name, operation in operations(description):
        is_probe = name.endswith(("healthz", "readyz", "/live")) or "/v2/health" in name
        assert (len(operation["security"]) == 1) is is_probe, name


def test_every_reference_leads_somewhere(description: Any) -> None:
    text = json.dumps(description)
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert names
    assert names <= set(description["components"]["schemas"])


def test_the_documentation_is_true_to_the_wire(repository: Path) -> None:
    page = (repository / "docs" / "serving.md").read_text(encoding="utf-8")
    section = page[page.index("## The answer") :]
    (example, *_) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    report = Report.model_validate_json(example)
    assert report == EXAMPLE_REPORT
    errors = page[page.index("## Errors") :].partition("\n## ")[0]
    told = {
        (int(status), code)
        for status, codes in re.findall(r"^\| (\d{3}) \| ([^|]*) \|", errors, re.MULTILINE)
        for code in re.findall(r"`(\w+)`", codes)
    }
    assert told == {(error.status, code) for code, error in ERRORS.items()}
    routes = page[page.index("## Routes") :].partition("\n## ")[0]
    for method, path in ROUTES:
        assert f"`{method} {path}`" in routes
