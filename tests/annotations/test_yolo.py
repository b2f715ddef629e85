from pathlib import Path

import pytest

from lucency.annotations import yolo
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

NAMES = "names: [fracture, NO]\n"


def make(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def read(
    root: Path, classes: tuple[str, ...] | None = None
) -> tuple[list[ImageAnnotation], Ledger]:
    ledger = Ledger()
    return list(yolo.read(Source(root, classes), ledger)), ledger


def head(root: Path, name: str) -> Head:
    return Head(f"{root}/{name}", name, (root / name).read_text())


def test_a_valid_set(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            "data.yaml": "train: images/train\nval: images/val\nnames: {1: NO, 0: fracture}\n",
            "labels/train/1.txt": "1 0.5 0.5 0.2 0.4\n\n",
            "labels/val/2.3.txt": "",
        },
    )
    for name in ("data.yaml", "labels/train/1.txt", "labels/val/2.3.txt"):
        assert yolo.detect(head(tmp_path, name)), name
    assert yolo.class_names(Source(tmp_path)) == ("fracture", "NO")
    (first, second), ledger = read(tmp_path)
    assert (first.image, first.split, first.size_wh) == (
        "images/train/1",
        "train",
        (1, 1),
    )
    assert (first.findings[0].label, first.findings[0].index) == ("NO", "line 1")
    assert first.findings[0].box == Box(0.4, 0.3, 0.6, 0.7)
    assert (second.image, second.split, second.status) == ("images/val/2.3", "val", Status.NEGATIVE)
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
    assert yolo.detect(head(tmp_path, "labels/1.txt"))
    with pytest.raises(AnnotationError, match="--classes"):
        read(tmp_path)
    assert len(read(tmp_path, ("a",))[0][0].findings) == 1


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"dataset.yaml": "path: ../set\ntrain: images\n" + NAMES}, id="other yaml"),
        pytest.param({"a/classes.txt": "fracture\nNO\n", "b/classes.txt": "fracture\nNO"},
                     id="LabelImg's in each folder"),
        pytest.param({"a/_darknet.labels": "fracture\nNO"}, id="Roboflow's for Darknet"),
    ],
)  # fmt: skip
def test_names_stand_in_many_places(tmp_path: Path, files: dict[str, str]) -> None:
    labels = {"a/1.txt": "1 0.5 0.5 0.1 0.1", "b/2.txt": "0 0.5 0.5 0.1 0.1"}
    images, _ = read(make(tmp_path, labels | files))
    assert [image.findings[0].label for image in images] == ["NO", "fracture"]


def test_folders_that_name_different_classes_are_refused(tmp_path: Path) -> None:
    labels = {f"{folder}/1.txt": "0 0.5 0.5 0.1 0.1" for folder in "ab"}
    make(tmp_path, labels | {"a/classes.txt": "x\ny\n", "b/classes.txt": "y\nx\n"})
    with pytest.raises(AnnotationError, match=r"a/classes.txt and b/classes.txt: name different"):
        read(tmp_path)
    assert len(read(tmp_path, ("x", "y"))[0]) == 2


def test_of_two_yamls_neither_is_guessed(tmp_path: Path) -> None:
    files = {"a.yaml": "nc: 2\n" + NAMES, "b.yml": "nc: 1\nnames: [x]\n"}
    make(tmp_path, {**files, "1.txt": "0 0.5 0.5 0.1 0.1"})
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(AnnotationError, match="--classes"):
        read(tmp_path)


def test_a_list_of_images_is_no_label_file(tmp_path: Path) -> None:
    lists = {"train2017.txt": "./images/train2017/1.jpg\n\nimages/2.PNG\n"}
    images, ledger = read(make(tmp_path, {"data.yaml": NAMES, "labels/1.txt": ""} | lists))
    assert [image.image for image in images] == ["images/1"]
    assert ledger.hints == ["train2017.txt was passed over: it lists images"]


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
    splits = {a.image: a.split for a in read(tmp_path)[0]}
    assert splits == {"images/all/one image": "train", "images/all/2": "", "images/x/3": ""}


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "boxes"), [("annotations", [2]), ("labels", [2, 2]), ("strict", [2])]
)
def test_files_that_tools_wrote(lucency_data: Path, name: str, boxes: list[int]) -> None:
    root = lucency_data / "formats/yolo/datumaro_yolo_dataset" / name
    annotations, _ = read(root)
    assert [len(annotation.findings) for annotation in annotations] == boxes
    assert annotations[0].findings[0].label == "label_2"


def test_one_file_is_read_by_itself_and_a_data_yaml_stands_for_its_folder(tmp_path: Path) -> None:
    files = {"data.yaml": NAMES, "1.txt": "0 0.5 0.5 0.1 0.1\n", "2.txt": ""}
    make(tmp_path, files)
    assert [a.source for a in read(tmp_path / "2.txt", ("a",))[0]] == ["2.txt"]
    assert [a.source for a in read(tmp_path / "data.yaml")[0]] == ["1.txt", "2.txt"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"0 0.5 0.5 0.1 0.1 \xff\n", "is not text"),
        (b"1 " * 600_000, "has a line of 1200000 characters"),
    ],
    ids=["latin-1", "no line end"],
)
def test_an_unreadable_label_file_is_left_out_and_told(
    tmp_path: Path, data: bytes, words: str
) -> None:
    make(tmp_path, {"data.yaml": NAMES, "labels/1.txt": "0 0.5 0.5 0.1 0.1\n"})
    (tmp_path / "labels/2.txt").write_bytes(data)
    annotations, ledger = read(tmp_path)
    assert [annotation.image for annotation in annotations] == ["images/1"]
    (entry,) = ledger.image_entries
    assert (entry.reason, entry.left_out) == (Reason.UNREADABLE_ANNOTATION, True)
    assert (entry.source, entry.image) == ("labels/2.txt", "images/2")
    assert words in entry.detail


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_every_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "classes.txt").write_bytes("Brüche\r\nb\r\n".encode(encoding))
    (tmp_path / "1.txt").write_bytes("1 0.5 0.5 0.1 0.1\r\n".encode(encoding))
    (annotation,), _ = read(tmp_path)
    assert annotation.findings[0].label == "b"
    assert yolo.class_names(Source(tmp_path)) == ("Brüche", "b")


def test_texts_beside_label_files_are_none(tmp_path: Path) -> None:
    names = ("README.txt", "readme.roboflow.txt", "train.txt", "labels.txt", "LICENSE.txt")
    make(tmp_path, {"classes.txt": "a\n", "1.txt": "", **dict.fromkeys(names, "some text\n")})
    assert [annotation.image for annotation in read(tmp_path)[0]] == ["1"]


def test_an_image_may_be_called_like_a_text_beside_the_labels(tmp_path: Path) -> None:
    box = "0 0.5 0.5 0.1 0.1\n"
    files = {"data.yaml": NAMES, "labels/train/test.txt": box, "labels/train/readme.txt": box}
    files |= {"labels/train/classes.txt": "a\n", "train.txt": "images/train/test.png\n"}
    images = [annotation.image for annotation in read(make(tmp_path, files))[0]]
    assert images == ["images/train/readme", "images/train/test"]


def test_what_dataset_csv_says_is_kept(tmp_path: Path) -> None:
    header = "image,split,patient_id,status,width,height,sha256,source,tb,age"
    row = "images/train/1.png,train,p1,annotated,100,80,0,a.json,1,40"
    files = {"data.yaml": NAMES, "dataset.csv": f"{header}\n{row}\n"}
    make(tmp_path, files | {"labels/train/1.txt": "0 0.5 0.5 0.1 0.1\n"})
    (annotation,), _ = read(tmp_path)
    assert (annotation.patient_id, annotation.labels) == ("p1", {"tb": True})
    assert annotation.extra == {"age": "40"}


@pytest.mark.parametrize(
    "table", [b"\xff", b"image\n1", b'"' + b"x" * 200_000], ids=["no text", "foreign", "endless"]
)
def test_a_foreign_dataset_csv_does_no_harm(tmp_path: Path, table: bytes) -> None:
    make(tmp_path, {"data.yaml": NAMES, "labels/1.txt": "0 0.5 0.5 0.1 0.1\n"})
    (tmp_path / "dataset.csv").write_bytes(table)
    assert len(read(tmp_path)[0]) == 1
