"""What Prometheus is told: counts and durations, and nothing that names an image or a patient.

The number of series is bounded: routes are templates, labels those of the loaded models, and all
other words come from lists in the code.
"""

from collections.abc import Iterable
from importlib.metadata import version

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from lucency.api.model_schemas import ModelFacts
from lucency.api.schemas import Report

# Seconds: a health check takes 1 ms, an analysis 50 to 500 ms, the deadline is 30 s.
REQUEST_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 30.0)
# The service's own part of an analysis takes 1 to 3 ms, a network 5 to 500 ms.
STAGE_BUCKETS = (0.001, 0.003, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5.0, 15.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The service's metrics, on a registry of their own; safe to use from many threads.

    ``in_flight`` are requests with images that have been let in, ``queued`` those of them that
    wait for their turn.
    """

    def __init__(self) -> None:
        # One more series for each, and of no use.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        build = Gauge("lucency_build_info", "Version; always 1.", ["version"], registry=registry)
        build.labels(version("lucency")).set(1)
        self.in_flight = Gauge(
            "lucency_requests_in_flight", "Requests with images, let in.", registry=registry
        )
        self.queued = Gauge(
            "lucency_requests_queued", "Those of them that wait.", registry=registry
        )
        self._ready = Gauge(
            "lucency_ready",
            "1 while the models are loaded and work is accepted.",
            registry=registry,
        )
        self._requests = Histogram(
            "lucency_request_seconds",
            "From the request's head to the end of the answer.",
            ["route", "method", "status"],
            buckets=REQUEST_BUCKETS,
            registry=registry,
        )
        self._shed = _counter(
            registry, "lucency_requests_shed", "Requests turned away under load.", "reason"
        )
        self._reloads = _counter(
            registry, "lucency_reloads", "Attempts to replace the models.", "outcome"
        )
        self._define_analyses(registry)

    def _define_analyses(self, registry: CollectorRegistry) -> None:
        self._stages = Histogram(
            "lucency_analysis_stage_seconds",
            "Parts of an analysis; the networks are in lucency_network_seconds.",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=registry,
        )
        self._networks = Histogram(
            "lucency_network_seconds",
            "The network of one model, for one image.",
            ["model"],
            buckets=STAGE_BUCKETS,
            registry=registry,
        )
        self._images = _counter(registry, "lucency_images", "Images analysed.", "kind", "body_part")
        self._refused = _counter(registry, "lucency_images_refused", "Images refused.", "fault")
        self._findings = _counter(
            registry, "lucency_findings", "Boxes in answers.", "model", "label", "tier"
        )
        self._verdicts = _counter(
            registry, "lucency_verdicts", "Verdicts on whole images.", "model", "label", "verdict"
        )
        self._flags = _counter(registry, "lucency_flags", "Reasons to look twice.", "kind")
        self._models = Gauge(
            "lucency_model_info",
            "A loaded model; always 1.",
            ["name", "task", "digest"],
            registry=registry,
        )

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer; ``route`` is its template, such as ``/v1/models/{name}``, or empty."""
        known = method if method in _METHODS else OTHER
        self._requests.labels(route or OTHER, known, str(status)).observe(seconds)

    def shed(self, reason: str) -> None:
        """Count a request that was turned away before its body was read, or at its deadline."""
        self._shed.labels(reason).inc()

    def analysis(self, report: Report) -> None:
        """Count one answer: its image, findings, verdicts, flags, and how long each part took."""
        image, timings = report.image, report.timings_ms
        self._images.labels(image.kind, image.body_part or "unknown").inc()
        for stage in ("wait", "decode", "own", "total"):
            self._stages.labels(stage).observe(getattr(timings, stage) / 1e3)
        for model, milliseconds in timings.models.items():
            self._networks.labels(model).observe(milliseconds / 1e3)
        for found in report.findings:
            self._findings.labels(found.model, found.label, found.tier).inc()
        for each in report.classifications:
            for label, verdict in each.verdicts.items():
                self._verdicts.labels(each.model, label, "true" if verdict else "false").inc()
        for flag in report.flags:
            self._flags.labels(flag.kind).inc()

    def refused_image(self, fault: str) -> None:
        """Count an image that was not analysed; ``fault`` is an `ImageFault`."""
        self._refused.labels(str(fault)).inc()

    def reloaded(self, ok: bool) -> None:
        """Count an attempt to replace the models."""
        self._reloads.labels("ok" if ok else "failed").inc()

    def ready(self, ready: bool) -> None:
        """Say what `/readyz` says."""
        self._ready.set(1 if ready else 0)

    def models(self, facts: Iterable[ModelFacts]) -> None:
        """Name the models that are loaded now, in place of those before."""
        self._models.clear()
        for model in facts:
            self._models.labels(model.name, model.task, model.digest).set(1)

    def render(self) -> tuple[bytes, str]:
        """All metrics in Prometheus' text format 0.0.4, and its content type."""
        return prometheus_client.generate_latest(self._registry), CONTENT_TYPE


def _counter(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Counter:
    """A counter; its series are called ``<name>_total``."""
    return Counter(name, text, labels, registry=registry)
