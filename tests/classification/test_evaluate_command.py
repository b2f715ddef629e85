"""`lucency evaluate` for classifiers: files, tables, pages, and what is refused."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lucency.annotations.records import Dataset, read_dataset, write_tables
from lucency.classification.evaluate import evaluate
from lucency.classification.evaluate_command import (
    EvaluateOptions,
    evaluate_classifier,
    measure_classifier,
)
from lucency.classification.open_model import open_model
from lucency.classification.terminal_tables import print_evaluation
from lucency.configs.errors import ConfigError, DatasetError, LeakageError

KINDS = ("chest", "bone", "other_part")


@pytest.fixture(scope="module")
def dataset(make_set: Callable[..., Dataset], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images a patient, two sites; each image is bright or not, and one of three kinds."""
    root = tmp_path_factory.mktemp("evaluate") / "set"
    made = make_set(root, counts=(4, 20, 44))
    records = []
    for number, record in enumerate(made.records):
        kinds = {kind: str(int(number % 3 == index)) for index, kind in enumerate(KINDS)}
        site = "north" if number % 4 < 2 else "south"
        extra = {"bright": record.extra["bright"], "site": site, **kinds}
        patient = f"{record.split}-{number // 2}"
        records.append(replace(record, patient_id=patient, extra=extra))
    write_tables(replace(made, records=tuple(records)))
    return root


@pytest.fixture
def written(dataset: Path, tmp_path: Path) -> Callable[..., str]:
    """Writes probabilities that are right but of every ``wrong``-th image."""

    def write(
        *labels: str,
        splits: tuple[str, ...] = ("val", "test"),
        wrong: int = 5,
        name: str = "theirs",
    ) -> str:
        path = tmp_path / f"{name}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", *labels])
            for split in splits:
                for number, record in enumerate(read_dataset(dataset).in_split(split)):
                    sure = 0.9 - number / 200
                    said = [bool(record.label(label)) != (number % wrong == 0) for label in labels]
                    values = [sure if yes else 0.5 - sure / 2 for yes in said]
                    total = sum(values) if len(labels) == len(KINDS) else 1.0
                    writer.writerow([record.image.name, *(value / total for value in values)])
        return str(path)

    return write


def run(model: str, dataset: Path, out: Path, **options: object) -> dict[str, Any]:
    evaluate_classifier(model, dataset, out, EvaluateOptions(**{"samples": 20, **options}))
    found: dict[str, Any] = json.loads((out / "metrics.json").read_bytes())
    return found


def test_thresholds_come_from_validation_and_figures_from_test(
    dataset: Path, written: Callable[..., str], tmp_path: Path
) -> None:
    found = run(written("bright"), dataset, tmp_path / "out")
    assert found["thresholds"]["origin"] == "chosen on the set's 20 images of 'val'"
    assert found["thresholds"]["flattering"] is False
    assert (found["images"], found["patients"]) == (44, 22)
    assert found["intervals"] == {"level": 0.95, "samples": 20, "drawn_by": "patient"}
    label = found["labels"]["bright"]
    rates = label["operating_points"]["balanced"]
    assert (rates["tp"] + rates["fn"], rates["tn"] + rates["fp"]) == (22, 22)
    assert rates["fn"] + rates["fp"] == 9
    assert label["auc"]["low"] <= label["auc"]["value"] <= label["auc"]["high"]
    assert label["auc_delong"]["value"] == pytest.approx(label["auc"]["value"])
    assert found["calibration"]["bright"]["before"] is None
    assert found["comparison"] is None and found["confusion_matrix"] is None
    assert found["notes"] == []
    groups = {(group["column"], group["value"]) for group in found["subgroups"]["groups"]}
    assert {("site", "north"), ("site", "south")} <= groups
    page = (tmp_path / "out/report.html").read_text()
    assert "44 images: bright 22 yes, 22 no; 22 patients" in page
    assert "Missed: bright" in page and "site:" in page and "not for diagnosis" in page
    assert 'set/images/test/test0.png"' in page


def test_on_the_validation_split_thresholds_flatter_and_that_is_said(
    dataset: Path, written: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(written("bright"), dataset, tmp_path / "out", split="val")
    assert found["thresholds"]["flattering"] is True
    assert any("flatter" in note for note in found["notes"])
    assert "flatter" in (tmp_path / "out/report.html").read_text()
    assert "flatter" in capsys.readouterr().out


def test_probabilities_are_measured_again_with_the_same_thresholds(
    dataset: Path, written: Callable[..., str], tmp_path: Path
) -> None:
    first = run(written("bright"), dataset, tmp_path / "one")
    again = run(str(tmp_path / "one/predictions.csv"), dataset, tmp_path / "two")
    assert again["thresholds"]["values"] == first["thresholds"]["values"]
    assert again["thresholds"]["origin"].startswith("recorded with the probabilities")
    assert again["facts"]["model"] == "theirs"
    for key in ("figures", "labels", "calibration", "subgroups"):
        assert again[key] == first[key], key


def test_altered_probabilities_have_no_thresholds(
    dataset: Path, written: Callable[..., str], tmp_path: Path
) -> None:
    run(written("bright"), dataset, tmp_path / "one")
    path = tmp_path / "one/predictions.csv"
    path.write_text(path.read_text().replace("0.9", "0.8", 1))
    assert open_model(str(path), read_dataset(dataset)).thresholds is None


def test_labels_that_exclude_each_other(
    dataset: Path, written: Callable[..., str], tmp_path: Path
) -> None:
    """Known by their truth and by probabilities that sum to 1."""
    found = run(written(*KINDS), dataset, tmp_path / "out", by=("site",))
    counts = found["confusion_matrix"]["counts"]
    assert found["confusion_matrix"]["classes"] == list(KINDS)
    assert sum(map(sum, counts)) == 44
    right = sum(counts[index][index] for index in range(3))
    assert found["figures"]["accuracy"]["value"] == pytest.approx(right / 44)
    page = (tmp_path / "out/report.html").read_text()
    assert "Called wrongly" in page and "15 chest, 15 bone, 14 other_part" in page
    again = run(str(tmp_path / "out/predictions.csv"), dataset, tmp_path / "two")
    assert again["confusion_matrix"] == found["confusion_matrix"]


def test_two_models_are_compared_on_the_same_images(
    dataset: Path, written: Callable[..., str], tmp_path: Path
) -> None:
    poor = written("bright", wrong=3, name="poor")
    found = run(written("bright"), dataset, tmp_path / "out", compare=poor)
    figures = found["comparison"]["figures"]
    for name in ("auc_bright", "auc_delong_bright"):
        assert figures[name]["difference"]["value"] < 0
        assert figures[name]["p_value"] is not None
    assert (tmp_path / "out/predictions_compared.csv").is_file()
    assert "poor against theirs" in (tmp_path / "out/report.html").read_text()


@pytest.mark.parametrize(
    ("labels", "second"),
    [(("bright",), ("bright",)), (KINDS, KINDS), (("bright", "chest"), ("chest",))],
    ids=["one label", "exclusive", "two labels"],
)
def test_tables_fit_the_terminal(
    dataset: Path, written: Callable[..., str], labels: tuple[str, ...], second: tuple[str, ...]
) -> None:
    data = read_dataset(dataset)
    found = evaluate(
        open_model(written(*labels), data),
        data,
        "test",
        second=open_model(written(*second, wrong=3, name="poor"), data),
        by=("site",),
        samples=20,
        on_step=lambda title: lambda *counts: None,
    )
    out = io.StringIO()
    print_evaluation(found, Console(file=out, width=80))
    assert max(map(len, out.getvalue().splitlines())) <= 80
    assert "…" not in out.getvalue()
    for title in ("44 images", "Rates at the operating points", "Calibration error", "site:"):
        assert title in out.getvalue()
    assert "poor against theirs" in out.getvalue()


@pytest.mark.parametrize(
    ("model", "problem"),
    [("nothing.csv", "no such file"), ("nothing", "no such bundle")],
    ids=str,
)
def test_what_is_not_there_is_refused(
    dataset: Path, tmp_path: Path, model: str, problem: str
) -> None:
    with pytest.raises(Exception, match=problem) as caught:
        run(str(tmp_path / model), dataset, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_refused(
    dataset: Path, written: Callable[..., str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        run(written("bright"), dataset, tmp_path)


@pytest.mark.parametrize(
    ("split", "problem"),
    [
        ("holdout", "split 'holdout' has no image with a known bright"),
        ("train", "has no row for 4 of 4 images"),
    ],
    ids=str,
)
def test_a_split_that_cannot_be_measured_is_refused(
    dataset: Path, written: Callable[..., str], tmp_path: Path, split: str, problem: str
) -> None:
    with pytest.raises(DatasetError, match=problem):
        run(written("bright"), dataset, tmp_path / "out", split=split)
    assert not (tmp_path / "out").exists()


def test_a_leak_is_refused(
    make_set: Callable[..., Dataset], written: Callable[..., str], tmp_path: Path
) -> None:
    leaking = make_set(tmp_path / "leaking")
    records = tuple(replace(record, patient_id="one") for record in leaking.records)
    write_tables(replace(leaking, records=records))
    with pytest.raises(LeakageError, match="one"):
        run(written("bright"), tmp_path / "leaking", tmp_path / "out")


@pytest.mark.slow
def test_a_bundle_is_measured_and_its_probabilities_are_read_again(
    bundle: Path, trained: tuple[Path, Path], tmp_path: Path
) -> None:
    first = run(str(bundle), trained[0], tmp_path / "one")
    assert first["facts"]["kind"] == "bundle"
    assert first["thresholds"]["origin"] == "the bundle's own, chosen on validation data"
    again = run(str(tmp_path / "one/predictions.csv"), trained[0], tmp_path / "two")
    for key in ("figures", "labels", "calibration"):
        assert again[key] == first[key], key


@pytest.mark.slow
def test_a_bundle_gives_the_chief_figures_as_text(
    bundle: Path, trained: tuple[Path, Path], tmp_path: Path
) -> None:
    chief = measure_classifier(bundle, trained[0], tmp_path / "report", split="val")
    value = chief["classifier AUC, bright"].split(" ")[0]
    assert 0.0 <= float(value) <= 1.0
    assert "classifier sensitivity, bright (balanced)" in chief
