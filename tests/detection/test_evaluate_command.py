"""`lucency evaluate` on COCO results: thresholds, files, tables, and what is refused."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from lucency.annotations.records import DATASET_CSV, read_dataset
from lucency.configs.errors import ConfigError, DatasetError, LeakageError
from lucency.datasets.placement import apply_split
from lucency.datasets.split import keep_splits
from lucency.detection.evaluate import evaluate
from lucency.detection.evaluate_command import EvaluateOptions, evaluate_detector
from lucency.detection.open_model import open_model
from lucency.detection.terminal_tables import print_evaluation

SIZE = (96, 64)
BOX = (20, 10, 40, 30)
CLASSES = ("ring", "square")
Entries = list[dict[str, object]]


def is_positive(number: int) -> bool:
    return number % 3 != 0


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of each split two thirds positive, one finding each, of two classes in turn."""
    root = tmp_path_factory.mktemp("evaluate") / "set"
    rows = ["image,split,patient_id,status,width,height,sha256,source,site"]
    rng = np.random.default_rng(0)
    for split, count in {"train": 3, "val": 12, "test": 15}.items():
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True)
        for number in range(count):
            file = root / f"images/{split}/{split}{number}.png"
            pixels = rng.integers(0, 255, SIZE[::-1], dtype=np.uint8)
            Image.fromarray(pixels).save(file)
            x1, y1, x2, y2 = BOX
            centre = f"{(x1 + x2) / 2 / 96} {(y1 + y2) / 2 / 64} {(x2 - x1) / 96} {(y2 - y1) / 64}"
            text = f"{number % 2} {centre}\n" if is_positive(number) else ""
            (root / f"labels/{split}/{file.stem}.txt").write_text(text)
            status = "annotated" if text else "negative"
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            patient = f"{split}-{number // 2}"
            row = (file.relative_to(root), split, patient, status, *SIZE, digest, "x", number % 2)
            rows.append(",".join(map(str, row)))
    (root / DATASET_CSV).write_text("\n".join(rows) + "\n")
    (root / "data.yaml").write_text(f"names: [{', '.join(CLASSES)}]\n")
    apply_split(keep_splits(read_dataset(root)))
    return root


def results(*splits: str, shift: int = 0) -> Entries:
    """A hit of falling score in each positive image, a false alarm of low score in each fourth."""
    counts = {"val": 12, "test": 15}
    entries: Entries = []
    for split in splits:
        for number in range(counts[split]):
            of_image = {"image_id": f"{split}{number}", "category_id": 1 + number % 2}
            x1, y1, x2, y2 = BOX
            box = [x1 + shift, y1, x2 - x1, y2 - y1]
            if is_positive(number):
                entries.append({**of_image, "bbox": box, "score": 0.9 - number / 50})
            if number % 4 == 0:
                entries.append({**of_image, "bbox": [60, 40, 20, 20], "score": 0.3})
    return entries


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    def write(entries: Entries, name: str = "theirs.json") -> str:
        (tmp_path / name).write_text(json.dumps(entries))
        return str(tmp_path / name)

    return write


def run(model: str, dataset: Path, out: Path, **options: object) -> dict[str, object]:
    evaluate_detector(model, dataset, out, EvaluateOptions(**{"samples": 20, **options}))
    metrics: dict[str, object] = json.loads((out / "metrics.json").read_bytes())
    return metrics


def test_thresholds_come_from_validation_and_figures_from_test(
    dataset: Path, written: Callable[..., str], tmp_path: Path
) -> None:
    found = run(written(results("val", "test")), dataset, tmp_path / "out")
    assert found["thresholds"]["origin"] == "chosen on the set's 12 images of 'val'"
    assert found["thresholds"]["flattering"] is False
    assert found["prevalence"] == {
        "images": 15, "positive_images": 10, "negative_images": 5, "share_of_images": 10 / 15,
        "patients": 8, "positive_patients": 8, "images_without_patient": 0, "findings": 10,
    }  # fmt: skip
    assert found["match_rule"]["name"] == "iou50"
    assert found["figures"]["map50"]["value"] == pytest.approx(1.0)
    assert found["figures"]["map50"]["low"] == pytest.approx(1.0)
    balanced = found["operating_points"]["balanced"]
    assert balanced["findings"]["all classes"]["recall"]["value"] == pytest.approx(1.0)
    assert balanced["images"]["fp"] == 0
    assert balanced["patients"]["tp"] == 8
    assert found["error_types"]["counts"]["all classes"]["background"] == 0
    assert np.trace(np.array(found["confusion_matrix"]["counts"])) == 10
    page = (tmp_path / "out/report.html").read_text()
    assert "15 images, 10 of them (67%) with 10 findings" in page
    assert found["notes"][0] in page.replace("&#39;", "'")
    for link in ("test1.png", "test2.png"):
        assert f'href="../../{dataset.parent.name}/set/images/test/{link}"' in page or link in page


def test_on_the_validation_split_thresholds_flatter_and_that_is_said(
    dataset: Path, written: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(written(results("val")), dataset, tmp_path / "out", split="val")
    assert found["thresholds"]["flattering"] is True
    assert any("flatter" in note for note in found["notes"])
    assert "flatter" in (tmp_path / "out/report.html").read_text()
    assert "flatter" in capsys.readouterr().out


def test_without_validation_only_figures_without_threshold(
    dataset: Path, written: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(written(results("test")), dataset, tmp_path / "out")
    assert found["thresholds"]["values"] == {}
    assert found["operating_points"] == {}
    assert found["error_types"] is None
    assert found["figures"]["image_auc"]["value"] == pytest.approx(1.0)
    note = "it predicts nothing in 'val' to choose them on; only figures that need none"
    for text in (*found["notes"], capsys.readouterr().out.replace("\n", " ")):
        if text.startswith("Thresholds"):
            assert note in text
    assert any(note in text for text in found["notes"])


def test_predictions_are_measured_again_with_the_same_thresholds(
    dataset: Path, written: Callable[..., str], tmp_path: Path
) -> None:
    first = run(written(results("val", "test")), dataset, tmp_path / "one")
    again = run(str(tmp_path / "one/predictions.json"), dataset, tmp_path / "two")
    assert again["thresholds"]["values"] == first["thresholds"]["values"]
    assert again["facts"]["model"] == "theirs"
    for key in ("figures", "classes", "froc", "operating_points", "error_types"):
        assert again[key] == first[key], key


def test_altered_predictions_have_no_thresholds(
    dataset: Path, written: Callable[..., str], tmp_path: Path
) -> None:
    run(written(results("val", "test")), dataset, tmp_path / "one")
    path = tmp_path / "one/predictions.json"
    path.write_text(json.dumps(json.loads(path.read_bytes())[:5]))
    assert open_model(str(path), read_dataset(dataset)).thresholds is None


def test_two_models_are_compared_on_the_same_images(
    dataset: Path, written: Callable[..., str], tmp_path: Path
) -> None:
    good, poor = (
        written(results("val", "test")),
        written(results("val", "test", shift=12), "poor.json"),
    )
    found = run(good, dataset, tmp_path / "out", compare=poor)
    compared = found["comparison"]["figures"]["map50"]
    assert compared["first"]["value"] == pytest.approx(1.0)
    assert compared["difference"]["value"] == pytest.approx(-1.0)
    assert compared["p_value"] < 0.2
    assert (tmp_path / "out/predictions_compared.json").is_file()
    page = (tmp_path / "out/report.html").read_text()
    assert "poor against theirs" in page


def test_a_wider_rule_finds_more(
    dataset: Path, written: Callable[..., str], tmp_path: Path
) -> None:
    shifted = written(results("val", "test", shift=9))
    recalls = {}
    for rule in ("iou50", "iou30"):
        found = run(shifted, dataset, tmp_path / rule, rule=rule)
        assert found["match_rule"]["name"] == rule
        recalls[rule] = found["froc"]["all classes"]["sensitivity_at"]["8"]["value"]
    assert recalls == {"iou50": 0.0, "iou30": 1.0}


def test_nothing_found_at_all(dataset: Path, written: Callable[..., str], tmp_path: Path) -> None:
    found = run(written([]), dataset, tmp_path / "out")
    assert found["figures"]["map50"]["value"] == 0.0
    assert found["calibration"] == {}


def test_tables_fit_the_terminal(dataset: Path, written: Callable[..., str]) -> None:
    data = read_dataset(dataset)
    model = open_model(written(results("val", "test")), data)
    second = open_model(written(results("val", "test", shift=12), "poor.json"), data)
    found = evaluate(
        model, data, "test", second=second, samples=20, on_step=lambda title: lambda *counts: None
    )
    out = io.StringIO()
    print_evaluation(found, Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in out.getvalue()
    assert any("8 patients" in line for line in lines)
    assert any(line.split()[:3] == ["mAP50", "1.000", "1.00–1.00"] for line in lines)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("nothing.json", "no such file"),
        ("nothing.pt", "no such file"),
        ("nothing", "no such bundle"),
    ],
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
        run(written(results("test")), dataset, tmp_path)


def test_a_split_without_images_is_refused(
    dataset: Path, written: Callable[..., str], tmp_path: Path
) -> None:
    with pytest.raises(
        DatasetError, match=r"in 'holdout', only in \['test', 'train', 'val'\]; name"
    ):
        run(written(results("test")), dataset, tmp_path / "out", split="holdout")
    assert not (tmp_path / "out").exists()


def test_a_leak_is_refused(dataset: Path, written: Callable[..., str], tmp_path: Path) -> None:
    import shutil

    leaking = tmp_path / "leaking"
    shutil.copytree(dataset, leaking)
    table = leaking / DATASET_CSV
    table.write_text(table.read_text().replace("test-0", "val-0"))
    with pytest.raises(LeakageError, match="val-0"):
        run(written(results("test")), leaking, tmp_path / "out")


def test_training_images_and_another_training_set_are_told(
    dataset: Path, written: Callable[..., str], tmp_path: Path
) -> None:
    path = Path(written(results("val", "test"), "predictions.json"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    ours = {"sha256": digest, "trained_on": "elsewhere", "data_sha256": "0" * 64}
    (tmp_path / "metrics.json").write_text(json.dumps({"predictions": {path.name: ours}}))
    notes = run(str(path), dataset, tmp_path / "out")["notes"]
    assert any("trained on another set ('elsewhere')" in note for note in notes)
