import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lucency.annotations.prelabels import read_reviews
from lucency.annotations.records import read_dataset
from lucency.annotations.sources import Source
from lucency.api.prediction_labels import labelme_folder, yolo_folder
from lucency.api.prediction_names import ImageFile
from lucency.api.prediction_outcomes import Outcome
from lucency.api.schemas import Report
from lucency.configs.errors import AnnotationError, ConfigError
from lucency.datasets.collect import collect

MakeReport = Callable[..., Report]


@pytest.fixture
def images(tmp_path: Path, png: Callable[..., bytes]) -> tuple[ImageFile, ImageFile]:
    """Two images of 200 × 100 pixels, one of them in a folder of its own."""
    found = []
    for name in ("a.png", "sub/b.png"):
        path = tmp_path / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(200, 100))
        found.append(ImageFile(path, name, name.removesuffix(".png")))
    return found[0], found[1]


def labelme(folder: Path, *outcomes: Outcome) -> list[str]:
    notes: list[str] = []
    with labelme_folder(folder, notes=notes) as add:
        for outcome in outcomes:
            add(outcome)
    return notes


def test_labelme_documents_lead_to_their_images(
    tmp_path: Path, images: tuple[ImageFile, ...], make_report: MakeReport
) -> None:
    report = make_report((10, 20, 30, 60, "lesion", 0.87654), tb=0.5)
    notes = labelme(tmp_path / "out", *(Outcome(one, report) for one in images))
    assert notes == []
    for one in images:
        file = tmp_path / "out" / f"{one.stem}.json"
        document = json.loads(file.read_text(encoding="utf-8"))
        assert (file.parent / document["imagePath"]).resolve() == one.path.resolve()
        assert document["flags"] == {"reviewed": False}
        assert (document["imageWidth"], document["imageHeight"]) == (200, 100)
        shape = document["shapes"][0]
        assert (shape["label"], shape["score"]) == ("lesion", 0.8765)
        assert shape["points"] == [[10, 20], [30, 60]]
        assert shape["source"] == "finder abcdef012345"
        assert document["lucency"]["prelabelled_by"] == "finder abcdef012345"


def test_nothing_counts_before_a_reader_has_looked(
    tmp_path: Path, images: tuple[ImageFile, ...], make_report: MakeReport
) -> None:
    """Neither boxes nor their absence; not even a box too thin to be kept."""
    thin = make_report((10, 20, 10.5, 60, "lesion", 0.9))
    labelme(tmp_path / "out", Outcome(images[0], thin), Outcome(images[1], make_report()))
    reviews, unreadable = read_reviews(Source(tmp_path / "out"))
    assert not unreadable
    assert [review.done for review in reviews] == [False, False]
    assert [review.document["shapes"] for review in reviews] == [[], []]


def test_what_is_corrected_can_be_collected(
    tmp_path: Path, png: Callable[..., bytes], make_report: MakeReport
) -> None:
    """Of images of one name in several folders, too: each document knows the way to its own."""
    outcomes = []
    for number, folder in enumerate(("", "sub/", "other/")):
        path = tmp_path / "scans" / folder / "same.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(200, 100 + number))
        image = ImageFile(path, f"{folder}same.png", f"{folder}same")
        outcomes.append(Outcome(image, make_report((10, 20, 30, 60 + number, "lesion", 0.9))))
    labelme(tmp_path / "out", *outcomes)
    for name in ("same.json", "sub/same.json"):
        document = json.loads((tmp_path / "out" / name).read_text(encoding="utf-8"))
        document |= {"flags": {"reviewed": True}, "imageHeight": None, "imageWidth": None}
        (tmp_path / "out" / name).write_text(json.dumps(document), encoding="utf-8")
    collected = collect(tmp_path / "out", tmp_path / "set", images=tmp_path / "scans")
    assert (collected.reviewed, collected.unreviewed) == (2, 1)
    found = sorted((entry.status, entry.height) for entry in read_dataset(tmp_path / "set").records)
    assert found == [("annotated", 100), ("annotated", 101), ("unknown", 102)]


def test_what_labelme_does_not_open_is_told(
    tmp_path: Path, images: tuple[ImageFile, ...], make_report: MakeReport
) -> None:
    report = make_report()
    deep = report.model_copy(update={"image": report.image.model_copy(update={"bits": 16})})
    notes = labelme(tmp_path / "out", Outcome(images[0], report), Outcome(images[1], deep))
    assert len(notes) == 1
    assert "as 1 of the images are (sub/b.png first)" in notes[0]


def test_yolo_lines_hold_the_score(
    tmp_path: Path, images: tuple[ImageFile, ...], make_report: MakeReport
) -> None:
    with yolo_folder(tmp_path / "out", class_names=("fracture", "lesion")) as add:
        boxes = (10, 20, 30, 60, "lesion", 0.875), (0, 0, 200, 100, "fracture", 0.25)
        add(Outcome(images[1], make_report(*boxes)))
        add(Outcome(images[0], make_report()))
        add(Outcome(images[0], error="broken"))
    assert (tmp_path / "out" / "classes.txt").read_text() == "fracture\nlesion\n"
    # No file for an image without findings: an empty one would make it a confirmed negative.
    written = sorted((tmp_path / "out" / "labels").rglob("*.txt"))
    assert [path.name for path in written] == ["b.txt"]
    assert written[0].read_text().splitlines() == [
        "1 0.100000 0.400000 0.100000 0.400000 0.875000",
        "0 0.500000 0.500000 1.000000 1.000000 0.250000",
    ]


def test_yolo_predictions_are_not_read_as_truth(
    tmp_path: Path, images: tuple[ImageFile, ...], make_report: MakeReport
) -> None:
    from lucency.annotations.convert import Options, convert

    with yolo_folder(tmp_path / "out", class_names=("fracture", "lesion")) as add:
        add(Outcome(images[0], make_report((10, 20, 30, 60, "lesion", 0.875))))
    options = Options(images=tmp_path / "scans", from_format="yolo")
    with pytest.raises(AnnotationError, match="a sixth number as in predictions"):
        convert(tmp_path / "out", tmp_path / "set", options)


@pytest.mark.parametrize("kind", ["labelme", "yolo"])
def test_an_existing_folder_is_left_alone(tmp_path: Path, kind: str) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    def make() -> None:
        if kind == "labelme":
            with labelme_folder(tmp_path, notes=[]):
                pass
        else:
            with yolo_folder(tmp_path, class_names=()):
                pass

    with pytest.raises(ConfigError, match="exists already"):
        make()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
