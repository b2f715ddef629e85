from prometheus_client.parser import text_string_to_metric_families

from lucency.api.metrics import Metrics
from lucency.api.model_schemas import ModelFacts
from lucency.api.schemas import Report
from lucency.configs.errors import ImageFault
from lucency.configs.inference import InferenceOptions

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(metrics: Metrics) -> Samples:
    body, content_type = metrics.render()
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def facts(name: str, digest: str) -> ModelFacts:
    return ModelFacts(
        name=name,
        task="detection",
        role="findings",
        kinds=(),
        architecture="stand-in",
        digest=digest,
        created="",
        class_names=("fracture",),
        exclusive=False,
        input_size=64,
        precision="fp32",
        calibrated=False,
        inference=InferenceOptions(),
        fusion=None,
        operating_points={},
        default_operating_point="balanced",
        metrics={},
        metric_intervals={},
        metrics_split="test",
        training_data={},
        licence="",
        commercial_use=True,
        intended_use="",
    )


def test_requests() -> None:
    metrics = Metrics()
    for seconds in (0.003, 0.09, 0.3):
        metrics.request("/v1/analyze", "POST", 200, seconds)
    metrics.request("/v1/models/{name}", "GET", 404, 0.001)
    samples = scrape(metrics)
    analyses = {"route": "/v1/analyze", "method": "POST", "status": "200"}
    assert value(samples, "lucency_request_seconds_count", **analyses) == 3
    assert value(samples, "lucency_request_seconds_bucket", le="0.1", **analyses) == 2
    missing = {"route": "/v1/models/{name}", "method": "GET", "status": "404"}
    assert value(samples, "lucency_request_seconds_count", **missing) == 1


def test_what_strangers_send_makes_no_series() -> None:
    metrics = Metrics()
    for number in range(50):
        metrics.request("", f"M{number}", 404, 0.001)
    counts = [key for key in scrape(metrics) if key[0] == "lucency_request_seconds_count"]
    assert [dict(labels) for _, labels in counts] == [
        {"route": "other", "method": "other", "status": "404"}
    ]


def test_an_analysis(small_report: Report) -> None:
    metrics = Metrics()
    metrics.analysis(small_report)
    metrics.analysis(small_report)
    samples = scrape(metrics)
    assert value(samples, "lucency_images_total", kind="dicom", body_part="bone") == 2
    doubtful = {"model": "fracture-net", "label": "fracture", "tier": "doubtful"}
    assert value(samples, "lucency_findings_total", **doubtful) == 4
    verdict = {"model": "tbnet", "label": "tb", "verdict": "true"}
    assert value(samples, "lucency_verdicts_total", **verdict) == 2
    assert value(samples, "lucency_flags_total", kind="out-of-distribution") == 2
    for stage, seconds in {"wait": 0.001, "decode": 0.012, "own": 0.002, "total": 0.1}.items():
        total = value(samples, "lucency_analysis_stage_seconds_sum", stage=stage)
        assert total is not None
        assert abs(total - 2 * seconds) < 1e-9
    networks = value(samples, "lucency_network_seconds_count", model="fracture-net")
    assert networks == 2


def test_the_rest() -> None:
    metrics = Metrics()
    metrics.shed("queue_full")
    metrics.refused_image(ImageFault.TRUNCATED)
    metrics.reloaded(True)
    metrics.reloaded(False)
    metrics.in_flight.set(3)
    metrics.queued.inc()
    metrics.ready(True)
    samples = scrape(metrics)
    assert value(samples, "lucency_requests_shed_total", reason="queue_full") == 1
    assert value(samples, "lucency_images_refused_total", fault="truncated") == 1
    assert value(samples, "lucency_reloads_total", outcome="ok") == 1
    assert value(samples, "lucency_reloads_total", outcome="failed") == 1
    assert value(samples, "lucency_requests_in_flight") == 3
    assert value(samples, "lucency_requests_queued") == 1
    assert value(samples, "lucency_ready") == 1
    memory = value(samples, "process_resident_memory_bytes")
    assert memory is not None
    assert memory > 1e6
    metrics.ready(False)
    assert value(scrape(metrics), "lucency_ready") == 0


def test_replaced_models_are_named_no_more() -> None:
    metrics = Metrics()
    metrics.models([facts("fracture", "aa"), facts("tb", "bb")])
    metrics.models([facts("fracture", "cc")])
    infos = [dict(labels) for name, labels in scrape(metrics) if name == "lucency_model_info"]
    assert infos == [{"name": "fracture", "task": "detection", "digest": "cc"}]


def test_registries_are_apart() -> None:
    first, second = Metrics(), Metrics()
    first.shed("deadline")
    assert value(scrape(second), "lucency_requests_shed_total", reason="deadline") is None


def test_text_has_no_creation_times(small_report: Report) -> None:
    metrics = Metrics()
    metrics.analysis(small_report)
    assert b"_created" not in metrics.render()[0]
