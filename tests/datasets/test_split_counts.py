from pathlib import Path, PurePosixPath

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.datasets.split_counts import count_splits, lacking


def record(
    name: str, split: str, *, patient: str = "", status: Status = Status.NEGATIVE, **extra: str
) -> ImageRecord:
    image = PurePosixPath("images", split, name)
    return ImageRecord(image, split, patient, status, 100, 100, name, "s", extra)


def made_set(root: Path, **extra: str) -> Dataset:
    records = (
        record("a.png", "train", patient="1", status=Status.ANNOTATED, tb="1", site="x", **extra),
        record("b.png", "train", patient="1", tb="0", site="x", **extra),
        record("c.png", "train", tb="0", site="y", **extra),
        record("d.png", "val", tb="", site="y", **extra),
        record("e.png", "unsplit", status=Status.UNKNOWN, tb="", site="x"),
    )
    label = root / "labels" / "train" / "a.txt"
    label.parent.mkdir(parents=True)
    label.write_text("0 0.5 0.5 0.1 0.1\n0 0.2 0.2 0.1 0.1\n")
    return Dataset(root, LabelMap(("spot", "unused")), records)


def test_images_are_counted_not_boxes(tmp_path: Path) -> None:
    parts, rows = count_splits(made_set(tmp_path), columns=("site",))
    assert parts == ("train", "val", "test", "unsplit")
    assert rows == {
        "images": (3, 1, 0, 1),
        "patients": (2, 1, 0, 1),
        "images with spot": (1, 0, 0, 0),
        "images without findings": (2, 1, 0, 0),
        "label tb": (1, 0, 0, 0),
        "site x": (2, 0, 0, 1),
        "site y": (1, 1, 0, 0),
    }


def test_folds_are_parts_of_their_own(tmp_path: Path) -> None:
    dataset = made_set(tmp_path)
    records = [
        record(f"{n}.png", "val" if n % 11 == 2 else "train", fold=str(n % 11)) for n in range(30)
    ]
    tested = record("t.png", "test", fold="")
    folds = Dataset(dataset.root, dataset.label_map, (*records, tested))
    parts, rows = count_splits(folds)
    assert parts[:4] == ("fold 0", "fold 1", "fold 2 (val)", "fold 3")
    assert parts[-2:] == ("fold 10", "test")
    assert rows["images"] == (3,) * 8 + (2,) * 3 + (1,)


def test_parts_without_a_class_are_told(tmp_path: Path) -> None:
    assert lacking(made_set(tmp_path)) == {"val": ("images with spot", "label tb")}
    assert lacking(Dataset(tmp_path, LabelMap(("spot",)), ())) == {}
