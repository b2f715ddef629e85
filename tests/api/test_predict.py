"""Files through the pipeline: in order, several at once, past those that are refused."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lucency.api.asking import Asked
from lucency.api.pipeline import Analysis, Pipeline
from lucency.api.predict import predict_files
from lucency.api.prediction_files import Outputs
from lucency.api.prediction_names import images_of
from lucency.configs.bundle import Bundle
from lucency.configs.errors import ConfigError


@pytest.fixture(scope="module")
def pipeline(detector_bundle: Bundle, classifier_bundle: Bundle) -> Iterator[Pipeline]:
    made = Pipeline([detector_bundle, classifier_bundle], cores=1)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path, png: Callable[..., bytes]) -> Path:
    """Twelve images of growing size, one of them broken."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(12):
        data = png(64 + number, 64)
        (images / f"{number:02}.png").write_bytes(data[:80] if number == 5 else data)
    return images


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_answers_come_in_order_however_many_run_at_once(
    pipeline: Pipeline, folder: Path, tmp_path: Path
) -> None:
    answers = []
    for at_once in (1, 4):
        out = tmp_path / f"{at_once}.jsonl"
        table = predict_files(
            pipeline, images_of([folder]), asked=Asked(), outputs=Outputs(json=out), at_once=at_once
        )
        assert len(table.errors) == 1
        assert "05.png: " in table.errors[0]
        answers.append(lines(out))
        for answer in answers[-1]:
            answer.pop("timings_ms", None)
    assert answers[0] == answers[1]
    assert [answer["file"] for answer in answers[0]] == [f"{number:02}.png" for number in range(12)]
    assert [answer["image"]["width"] for answer in answers[0] if "image" in answer] == [
        64 + number for number in range(12) if number != 5
    ]


def test_several_run_at_once(
    pipeline: Pipeline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two images meet in the pipeline, or neither would get through."""
    meeting = threading.Barrier(2, timeout=20)
    analyze = pipeline.analyze

    def met(data: bytes, **given: Any) -> Analysis:
        meeting.wait()
        return analyze(data, **given)

    monkeypatch.setattr(pipeline, "analyze", met)
    predict_files(pipeline, images_of([folder]), asked=Asked(), outputs=Outputs(), at_once=2)
    assert not meeting.broken


def test_what_does_not_fit_the_models_ends_the_run(
    pipeline: Pipeline, folder: Path, tmp_path: Path
) -> None:
    outputs = Outputs(json=tmp_path / "out.jsonl", pictures=tmp_path / "pictures")
    with pytest.raises(ConfigError, match="strict"):
        predict_files(
            pipeline,
            images_of([folder]),
            asked=Asked(operating_point="strict"),
            outputs=outputs,
            at_once=2,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_an_interruption_stops_the_rest(
    pipeline: Pipeline, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    analyze = pipeline.analyze

    def interrupted(data: bytes, *, name: str, **given: Any) -> Analysis:
        begun.append(name)
        if name.endswith("03.png"):
            raise KeyboardInterrupt
        return analyze(data, name=name, **given)

    monkeypatch.setattr(pipeline, "analyze", interrupted)
    out = tmp_path / "out.jsonl"
    outputs = Outputs(json=out, csv=tmp_path / "out.csv")
    with pytest.raises(KeyboardInterrupt):
        predict_files(pipeline, images_of([folder]), asked=Asked(), outputs=outputs, at_once=1)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["images", "out.jsonl.partial"]
    written = [line["file"] for line in lines(tmp_path / "out.jsonl.partial")]
    assert written == ["00.png", "01.png", "02.png"]
    assert len(begun) < 12


def test_no_pictures_are_drawn_that_nobody_asked_for(
    pipeline: Pipeline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: Any, **named: Any) -> None:
        raise AssertionError("a picture was drawn")

    monkeypatch.setattr("lucency.api.predict.draw_pictures", refuse)
    files = images_of([folder / "00.png"])
    table = predict_files(pipeline, files, asked=Asked(), outputs=Outputs(), at_once=1)
    assert table.errors == []
