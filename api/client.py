"""A client of the service, for Python programs: images in, `Report` out.

What a newer service tells beside what this version knows is passed over.
It needs neither the models nor NumPy, so that it starts quickly and where they are not.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from lucency.api.feedback_schemas import Feedback, FeedbackStored
from lucency.api.model_schemas import ModelDetail, ModelFacts, ModelList
from lucency.api.schemas import Report
from lucency.configs.errors import LucencyError

DEFAULT_URL = "http://127.0.0.1:8000"
# A request that is refused for the load is sent so often, as long as the waits are worth it.
MOST_TRIES = 5
# The service needs no file name, and a radiograph's may name the patient.
_FILE_NAME = "image"

Answer = TypeVar("Answer", bound=BaseModel)


class Asked(TypedDict, total=False):
    """The parameters of an analysis, those of the service; what is left out is its default.

    ``conf`` is a number for all boxes, or numbers by class.
    """

    operating_point: str
    conf: float | Mapping[str, float]
    models: Sequence[str]
    heatmap: bool
    max_detections: int
    frame: int
    kind: Literal["auto", "chest", "bone", "any"]


class ServiceError(LucencyError):
    """The service refused, or could not be asked.

    ``code`` is the stable word of the service's error; of our own there are ``unreachable``,
    ``timeout`` and ``unknown_answer``. ``fault`` says why an image was refused, empty otherwise.
    ``status`` is that of HTTP, 0 where there was no answer or it is of one image of a batch.
    """

    def __init__(self, code: str, message: str, *, fault: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fault = fault
        self.status = status


class Client:
    """Asks one service; to be closed, or used as a context manager.

    ``api_key`` is sent where the service wants one. ``timeout_s`` limits how long one request may
    stand still, and how long it is tried again where the service is too busy (status 503 with
    ``Retry-After``); nothing else is tried again.
    """

    def __init__(
        self, url: str = DEFAULT_URL, *, api_key: str | None = None, timeout_s: float = 60.0
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        headers = {"X-API-Key": api_key} if api_key is not None else {}
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s)
        except httpx.InvalidURL as error:
            raise ServiceError("unreachable", f"{self.url}: is no address: {error}") from None

    def analyze(self, image: Path | bytes, **asked: Unpack[Asked]) -> Report:
        """What the models say of one image: a file, or its bytes.

        Raises
        ------
        ServiceError
            The service refuses the image or a parameter, or gives no answer.
        OSError
            The file cannot be read.

        """
        response = self._send(
            "POST", "/v1/analyze", params=_query(asked), files=[_file_part(image)]
        )
        return self._parsed(Report, response)

    def analyze_batch(
        self, images: Sequence[Path | bytes], **asked: Unpack[Asked]
    ) -> tuple[Report | ServiceError, ...]:
        """The same of several images in one request, in order; of one that is refused the error.

        How many there may be at once is a setting of the service.

        Raises
        ------
        ServiceError
            The service refuses the request as a whole.
        OSError
            A file cannot be read.

        """
        parts = [_file_part(image) for image in images]
        response = self._send("POST", "/v1/analyze/batch", params=_query(asked), files=parts)
        results = self._mapping(response).get("results")
        if not isinstance(results, list) or len(results) != len(parts):
            raise self._unknown_answer("results")
        return tuple(self._result(each) for each in results)

    def models(self) -> tuple[ModelFacts, ...]:
        """What the manifests of the loaded models say."""
        return self._parsed(ModelList, self._send("GET", "/v1/models")).models

    def model(self, name: str) -> ModelDetail:
        """One loaded model, with its manifest and card."""
        response = self._send("GET", f"/v1/models/{quote(name, safe='')}")
        return self._parsed(ModelDetail, response)

    def ready(self) -> bool:
        """Whether the service answers and has loaded its models."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def send_feedback(self, feedback: Feedback, *, image: Path | bytes | None = None) -> str:
        """Hand in what a reader made of a report's boxes; returns the id it is stored under.

        ``image``, the file that was analysed, is stored with it where it is given.
        """
        text = feedback.model_dump_json().encode()
        parts: list[tuple[str, Any]] = [("feedback", (None, text, "application/json"))]
        if image is not None:
            parts.append(_file_part(image))
        response = self._send("POST", "/v1/feedback", files=parts)
        return self._parsed(FeedbackStored, response).id

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, method: str, path: str, **given: Any) -> httpx.Response:
        """The answer, if it is a good one; raises `ServiceError` otherwise."""
        waited = 0.0
        for _ in range(MOST_TRIES - 1):
            response = self._send_once(method, path, **given)
            wait = _retry_after(response)
            if wait is None or waited + wait > self._timeout_s:
                break
            time.sleep(wait)
            waited += wait
        else:
            response = self._send_once(method, path, **given)
        if response.is_success:
            return response
        raise self._refusal(response)

    def _send_once(self, method: str, path: str, **given: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **given)
        except httpx.TimeoutException:
            raise ServiceError(
                "timeout",
                f"{self.url}: gave no answer within {self._timeout_s:g} s; try again, or allow "
                "more with timeout_s",
            ) from None
        except httpx.TransportError as error:
            raise ServiceError(
                "unreachable",
                f"{self.url}: cannot be reached ({_one_line(error)}); is `lucency serve` running?",
            ) from None

    def _refusal(self, response: httpx.Response) -> ServiceError:
        try:
            return _service_error(self._mapping(response)["error"], status=response.status_code)
        except (ServiceError, KeyError, TypeError):  # something else than the service answered
            status = response.status_code
            return ServiceError(
                "unknown_answer",
                f"{self.url}: answered with the status {status} and without a reason; is this the "
                "address of `lucency serve`?",
                status=status,
            )

    def _parsed(self, model: type[Answer], response: httpx.Response) -> Answer:
        try:
            return model.model_validate_json(response.content, extra="ignore")
        except ValidationError as error:
            raise self._unknown_answer(_first_place(error)) from None

    def _mapping(self, response: httpx.Response) -> Mapping[str, Any]:
        try:
            found = response.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._unknown_answer("the body")
        return found

    def _result(self, value: Any) -> Report | ServiceError:
        """One entry of a batch's results."""
        try:
            if "error" in value:
                return _service_error(value["error"])
            return Report.model_validate(value["report"], extra="ignore")
        except ValidationError as error:
            raise self._unknown_answer(_first_place(error)) from None
        except (KeyError, TypeError):
            raise self._unknown_answer("results") from None

    def _unknown_answer(self, place: str) -> ServiceError:
        return ServiceError(
            "unknown_answer",
            f"{self.url}: its answer is not of the form that this version of Lucency knows "
            f"({place}); install the version that the service runs",
        )


def _query(asked: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The query of a request: lists as repeated parameters, as the service takes them."""
    query: list[tuple[str, str]] = []
    for name, value in asked.items():
        if isinstance(value, Mapping):
            query += [(name, f"{label}={number}") for label, number in value.items()]
        elif isinstance(value, bool):
            query.append((name, str(value).lower()))
        elif isinstance(value, str) or not isinstance(value, Sequence):
            query.append((name, str(value)))
        else:
            query += [(name, str(each)) for each in value]
    return query


def _file_part(image: Path | bytes) -> tuple[str, Any]:
    data = image if isinstance(image, bytes) else Path(image).read_bytes()
    return "file", (_FILE_NAME, data, "application/octet-stream")


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait before the same request is worth sending again; None if it is not."""
    if response.status_code != 503:
        return None
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _service_error(body: Mapping[str, Any], *, status: int = 0) -> ServiceError:
    fault = body.get("fault") or ""
    return ServiceError(str(body["code"]), str(body["message"]), fault=str(fault), status=status)


def _first_place(error: ValidationError) -> str:
    places: Iterator[str] = (".".join(map(str, each["loc"])) for each in error.errors())
    return next(places, "") or "the body"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
