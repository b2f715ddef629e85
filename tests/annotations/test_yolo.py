from pathlib import Path

import pytest

from lucency.annotations import yolo
from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.configs.errors import AnnotationError

NAMES = "names: [fracture, NO]\n"


def make(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def read(root: Path, **options: tuple[str, ...]) -> tuple[list[ImageAnnotation], Ledger]:
    ledger = Ledger(root)
    return list(yolo.read(root, ledger, **options)), ledger


def test_a_valid_set(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            "data.yaml": "train: images/train\nval: images/val\nnames: {1: NO, 0: fracture}\n",
            "labels/train/1.txt": "1 0.5 0.5 0.2 0.4\n\n",
            "labels/val/2.3.txt": "",
        },
    )
    assert yolo.detect(tmp_path)
    assert yolo.class_names(tmp_path) == ("fracture", "NO")
    (first, second), ledger = read(tmp_path)
    assert (first.image.as_posix(), first.split, first.size_wh) == (
        "images/train/1",
        "train",
        (1, 1),
    )
    assert (first.findings[0].label, first.findings[0].index) == ("NO", "line 1")
    assert first.findings[0].box == Box(0.4, 0.3, 0.6, 0.7)
    assert (second.image.name, second.split, second.status) == ("2.3", "val", Status.NEGATIVE)
    assert ledger.totals()["in"] == 1


@pytest.mark.parametrize(
    ("line", "box"),
    [
        ("0 0.5 0.5 0.2 0.4", Box(0.4, 0.3, 0.6, 0.7)),
        ("0.000 5e-1 0.5 0.2 0.4\r", Box(0.4, 0.3, 0.6, 0.7)),
        ("0 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5", Box(0.1, 0.1, 0.3, 0.5)),
        ("0 0.1 0.2 0.3 0.1 0.2 0.5", Box(0.1, 0.1, 0.3, 0.5)),
    ],
    ids=["box", "floats and crlf", "oriented box", "outline"],
)
def test_every_kind_of_line(tmp_path: Path, line: str, box: Box) -> None:
    make(tmp_path, {"data.yaml": NAMES, "labels/1.txt": line})
    (annotation,), _ = read(tmp_path)
    found = annotation.findings[0].box
    assert (found.x1, found.y1, found.x2, found.y2) == pytest.approx(
        (box.x1, box.y1, box.x2, box.y2)
    )


def test_a_pose_line_starts_with_its_box(tmp_path: Path) -> None:
    files = {"data.yaml": NAMES + "kpt_shape: [2, 2]\n", "labels/1.txt": "0 .5 .5 .2 .4 0 0 1 1"}
    (annotation,), _ = read(make(tmp_path, files))
    assert annotation.findings[0].box == Box(0.4, 0.3, 0.6, 0.7)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 nan 0.2 0.4", Reason.NOT_FINITE),
        ("0 0.5 inf 0.2 0.4", Reason.NOT_FINITE),
        ("0 0.5 0.5 0.2", Reason.MALFORMED),
        ("0 0.5 0.5 0.2 0.4 0.9", Reason.MALFORMED),
        ("0", Reason.MALFORMED),
        ("0,0.5,0.5,0.2,0.4", Reason.MALFORMED),
        ("fracture 0.5 0.5 0.2 0.4", Reason.MALFORMED),
        ("2 0.5 0.5 0.2 0.4", Reason.UNKNOWN_CLASS),
        ("-1 0.5 0.5 0.2 0.4", Reason.UNKNOWN_CLASS),
        ("0.5 0.5 0.5 0.2 0.4", Reason.UNKNOWN_CLASS),
        ("0 0.5 0.5 0 0.4", Reason.ZERO_AREA),
        ("0 0.5 0.5 -0.2 0.4", Reason.ZERO_AREA),
        ("0 1e308 0 1e308 1e308 -1e308 0", None),
    ],
    ids=["nan", "infinity", "four fields", "confidence", "class alone", "commas", "name",
         "class too high", "class below 0", "half a class", "no width", "negative width",
         "huge outline"],
)  # fmt: skip
def test_a_broken_line_goes_to_the_ledger(tmp_path: Path, line: str, reason: Reason | None) -> None:
    make(tmp_path, {"data.yaml": NAMES, "labels/1.txt": f"0 0.5 0.5 0.1 0.1\n{line}\n"})
    (annotation,), ledger = read(tmp_path)
    if reason is None:
        assert len(annotation.findings) == 2
        return
    (entry,) = ledger.box_entries
    assert (entry.reason, entry.index) == (reason, "line 2")
    assert entry.detail.startswith("line 2: ")
    assert len(annotation.findings) == 1


def test_a_file_whose_lines_are_all_broken_is_no_negative(tmp_path: Path) -> None:
    make(tmp_path, {"data.yaml": NAMES, "labels/1.txt": "7 0.5 0.5 0.1 0.1\n"})
    assert read(tmp_path)[0][0].status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [a, a]", "different"),
        ("names: {0: a, 2: b}", "ids must be"),
        ("names: {x: a}", "ids must be"),
        ("names: fracture", "must list the class names"),
        ("names: [[a]]", "must list the class names"),
        ("train: images", "must name the classes"),
        ("names: [a\nx: {", "not valid YAML in line"),
        ("[" * 2000, "not valid YAML"),
    ],
    ids=["twice", "gap", "text id", "text", "nested", "none", "broken", "deep"],
)
def test_a_broken_data_yaml_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    make(tmp_path, {"data.yaml": text, "labels/1.txt": ""})
    with pytest.raises(AnnotationError, match=rf"data\.yaml.*{message}"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "has no class names"), ("a\n\nb", "must not be empty"), ("a\na", "must be different")],
    ids=["empty", "gap", "twice"],
)
def test_a_broken_names_file_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    make(tmp_path, {"classes.txt": text, "1.txt": ""})
    with pytest.raises(AnnotationError, match=message):
        read(tmp_path)


def test_names_must_come_from_somewhere(tmp_path: Path) -> None:
    make(tmp_path, {"labels/1.txt": "0 0.5 0.5 0.1 0.1"})
    assert yolo.detect(tmp_path)
    with pytest.raises(AnnotationError, match="--classes"):
        read(tmp_path)
    assert len(read(tmp_path, classes=("a",))[0][0].findings) == 1


def test_a_folder_without_label_files(tmp_path: Path) -> None:
    make(tmp_path, {"data.yaml": NAMES})
    with pytest.raises(AnnotationError, match="no YOLO label files"):
        read(tmp_path)


def test_listed_images_and_shared_folders(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            "data.yaml": "train: lists/a.txt\nval: images/x\ntest: images/x\nnames: [a]\n",
            "lists/a.txt": "./images/all/one image.jpg\n",
            "labels/all/one image.txt": "",
            "labels/all/2.txt": "",
            "labels/x/3.txt": "",
        },
    )
    (tmp_path / "lists/a.txt").rename(tmp_path / "train.txt")
    text = (tmp_path / "data.yaml").read_text().replace("lists/a.txt", "train.txt")
    (tmp_path / "data.yaml").write_text(text)
    splits = {a.image.name: a.split for a in read(tmp_path)[0]}
    assert splits == {"one image": "train", "2": "", "3": ""}


def test_written_lines_keep_eight_digits_and_more() -> None:
    finding = Finding("a", Box(1 / 3, 1, 2, 3))
    line = yolo.label_line(finding, (3000, 2000), LabelMap(("b", "a")))
    assert line == "1 0.0003888889 0.0010000000 0.0005555556 0.0010000000\n"


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "boxes"), [("annotations", [2]), ("labels", [2, 2]), ("strict", [2])]
)
def test_files_that_tools_wrote(lucency_data: Path, name: str, boxes: list[int]) -> None:
    root = lucency_data / "formats/yolo/datumaro_yolo_dataset" / name
    annotations, _ = read(root)
    assert [len(annotation.findings) for annotation in annotations] == boxes
    assert annotations[0].findings[0].label == "label_2"
