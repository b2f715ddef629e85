import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lucency.api.prediction_coco import CocoIds, coco_file, companion, read_coco_ids
from lucency.api.prediction_names import ImageFile
from lucency.api.prediction_outcomes import Outcome
from lucency.api.schemas import Report
from lucency.configs.errors import AnnotationError, ConfigError

CLASSES = ("fracture", "lesion")
MakeReport = Callable[..., Report]


def image(name: str) -> ImageFile:
    return ImageFile(Path("/images") / name, name, name)


def write(path: Path, *outcomes: Outcome, ids: CocoIds | None = None) -> list[str]:
    notes: list[str] = []
    with coco_file(path, class_names=CLASSES, ids=ids, notes=notes) as add:
        for outcome in outcomes:
            add(outcome)
    return notes


def annotations(path: Path, *names: str, **values: Any) -> Path:
    """A COCO file with ids of its own, a fracture at 10, 20, 30, 60 in each image."""
    images = [
        {"id": 100 + number, "file_name": name, "width": 200, "height": 100}
        for number, name in enumerate(names)
    ]
    document = {
        "images": images,
        "categories": [{"id": 0, "name": "lesion"}, {"id": 7, "name": "fracture"}],
        "annotations": [
            {
                "id": number,
                "image_id": entry["id"],
                "category_id": 7,
                "bbox": [10, 20, 20, 40],
                "area": 800,
                "iscrowd": 0,
            }
            for number, entry in enumerate(images, start=1)
        ],
    }
    path.write_text(json.dumps(document | values), encoding="utf-8")
    return path


def test_results_and_companion_load_into_pycocotools(
    tmp_path: Path, make_report: MakeReport
) -> None:
    path = tmp_path / "found.json"
    notes = write(
        path,
        Outcome(image("a.png"), make_report((10, 20, 30, 60, "lesion", 0.875))),
        Outcome(image("broken.png"), error="is broken"),
        Outcome(image("sub/ü.png"), make_report((0, 0, 1, 2, "fracture", 0.5))),
        Outcome(image("none.png"), make_report()),
    )
    assert notes == []
    coco = COCO(str(companion(path)))
    assert [coco.imgs[number]["file_name"] for number in (1, 2, 3)] == [
        "a.png",
        "sub/ü.png",
        "none.png",
    ]
    assert {number: one["name"] for number, one in coco.cats.items()} == {
        1: "fracture",
        2: "lesion",
    }
    found = coco.loadRes(str(path)).dataset["annotations"]
    assert [(one["image_id"], one["category_id"], one["bbox"], one["score"]) for one in found] == [
        (1, 2, [10, 20, 20, 40], 0.875),
        (2, 1, [0, 0, 1, 2], 0.5),
    ]


def test_the_companion_claims_no_truth(tmp_path: Path, make_report: MakeReport) -> None:
    """With an empty list of annotations, every reader would take the images for negatives."""
    write(tmp_path / "found.json", Outcome(image("a.png"), make_report()))
    assert "annotations" not in json.loads((tmp_path / "found-images.json").read_text())
    assert json.loads((tmp_path / "found.json").read_text()) == []


def test_ids_of_an_annotation_file_give_its_average_precision(
    tmp_path: Path, make_report: MakeReport
) -> None:
    truth = annotations(tmp_path / "truth.json", "train/a.png", "train/b.png")
    images = [image("a.png"), image("b.png")]
    ids = read_coco_ids(truth, images=images, class_names=CLASSES)
    right = make_report((10, 20, 30, 60, "fracture", 0.9))
    path = tmp_path / "found.json"
    assert write(path, *(Outcome(one, right) for one in images), ids=ids) == []
    assert not companion(path).exists()
    coco = COCO(str(truth))
    evaluation = COCOeval(coco, coco.loadRes(str(path)), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_what_the_annotation_file_does_not_have_is_told(
    tmp_path: Path, make_report: MakeReport
) -> None:
    one_class = {"categories": [{"id": 7, "name": "fracture"}]}
    truth = annotations(tmp_path / "truth.json", "a.png", **one_class)
    images = [image("a.png"), image("strange.png")]
    ids = read_coco_ids(truth, images=images, class_names=CLASSES)
    report = make_report((0, 0, 5, 5, "lesion", 0.9), (0, 0, 5, 5, "fracture", 0.4))
    small = report.model_copy(
        update={"image": report.image.model_copy(update={"width": 100, "height": 50})}
    )
    path = tmp_path / "found.json"
    notes = write(path, *(Outcome(one, small) for one in images), ids=ids)
    assert [entry["score"] for entry in json.loads(path.read_text())] == [0.4]
    assert [note.partition(str(truth))[0] for note in notes] == [
        "--coco leaves out 1 images that ",
        "--coco leaves out 1 boxes of 'lesion', which is no category of ",
        "1 images have another size than ",
    ]


@pytest.mark.parametrize(
    ("theirs", "ours", "matched"),
    [
        ("a.png", "a.png", True),
        ("a.png", "deep/er/a.png", True),
        ("images/val/a.png", "a.png", True),
        ("images/val/a.png", "val/a.png", True),
        ("val/a.png", "train/a.png", False),
        ("ba.png", "a.png", False),
    ],
)
def test_images_are_matched_by_the_end_of_their_paths(
    tmp_path: Path, theirs: str, ours: str, matched: bool
) -> None:
    truth = annotations(tmp_path / "truth.json", theirs, "z.png")
    ids = read_coco_ids(truth, images=[image(ours), image("z.png")], class_names=CLASSES)
    assert (ours in ids.images) is matched
    assert (ours in ids.absent) is not matched
    if matched:
        assert ids.images[ours][0] == 100


def test_an_ambiguous_end_matches_nothing(tmp_path: Path) -> None:
    truth = annotations(tmp_path / "truth.json", "x/a.png", "y/a.png", "z.png")
    ids = read_coco_ids(truth, images=[image("a.png"), image("z.png")], class_names=CLASSES)
    assert ids.absent == ("a.png",)


@pytest.mark.parametrize(
    ("names", "images", "classes", "message"),
    [
        (["a.png"], ["a.png"], ("mass",), r"categories \['fracture', 'lesion'\] are none of"),
        (["a.png"], ["b.png"], CLASSES, "has none of the images; the first is called b.png here"),
        ([], ["b.png"], CLASSES, "and nothing there"),
        (["a.png"], ["x/a.png", "y/a.png"], CLASSES, "fits both x/a.png and y/a.png"),
    ],
    ids=["classes", "images", "empty", "clash"],
)
def test_what_does_not_fit_is_refused_before_anything_is_analysed(
    tmp_path: Path, names: list[str], images: list[str], classes: tuple[str, ...], message: str
) -> None:
    truth = annotations(tmp_path / "truth.json", *names)
    with pytest.raises(ConfigError, match=message):
        read_coco_ids(truth, images=[image(name) for name in images], class_names=classes)


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"categories": []}'], ids=["list", "broken", "no images"]
)
def test_what_is_no_annotation_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "truth.json"
    path.write_text(text)
    with pytest.raises(AnnotationError, match=r"truth\.json"):
        read_coco_ids(path, images=[image("a.png")], class_names=CLASSES)


def test_an_error_leaves_nothing_behind(tmp_path: Path, make_report: MakeReport) -> None:
    path = tmp_path / "found.json"

    def interrupted() -> None:
        with coco_file(path, class_names=CLASSES, ids=None, notes=[]) as add:
            add(Outcome(image("a.png"), make_report()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
