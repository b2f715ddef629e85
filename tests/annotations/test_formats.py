import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from lucency.annotations import coco, labelme, yolo
from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import (
    FORMATS,
    NORMALISED,
    Codec,
    Format,
    detect_format,
    format_by_name,
)
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger
from lucency.configs.errors import AnnotationError

LABELS = LabelMap(("lytic lesion", "fracture"))
SIZE = (2304, 2880)


def example() -> list[ImageAnnotation]:
    """Awkward coordinates, an outline, a negative, a split, a patient and image-level labels."""
    source = Path("none")
    findings = (
        Finding("fracture", Box(1242.2970297029703, 929.1089108910893, 1515.5643, 1076.445)),
        Finding("lytic lesion", Box(0, 0, 2304, 2880)),
        Finding(
            "fracture",
            Box(0.1, 1 / 3, 700.7, 801 / 7),
            polygon=((0.1, 1 / 3), (700.7, 50.5), (20.2, 801 / 7)),
        ),
    )
    return [
        ImageAnnotation(
            PurePosixPath("a b.png"), source, SIZE, findings, Status.ANNOTATED,
            split="train", patient_id="p1", labels={"tb": True},
        ),
        ImageAnnotation(PurePosixPath("ö.png"), source, SIZE, (), Status.NEGATIVE),
        ImageAnnotation(PurePosixPath("unread.png"), source, SIZE, (), Status.UNKNOWN),
    ]  # fmt: skip


def in_pixels(annotation: ImageAnnotation) -> list[tuple[str, Box]]:
    factors = SIZE if annotation.size_wh == NORMALISED else (1, 1)
    return [(f.label, f.box.scaled(*factors)) for f in annotation.findings]


def assert_equal(left: list[ImageAnnotation], right: list[ImageAnnotation], px: float) -> None:
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert (one.image.stem, one.status) == (other.image.stem, other.status)
        for (label, a), (other_label, b) in zip(in_pixels(one), in_pixels(other), strict=True):
            assert label == other_label
            corners = (b.x1, b.y1, b.x2, b.y2)
            assert (a.x1, a.y1, a.x2, a.y2) == pytest.approx(corners, abs=px, rel=0)


Writer = Callable[[list[ImageAnnotation], Path], Path]


def through(
    known: Format, annotations: list[ImageAnnotation], folder: Path
) -> list[ImageAnnotation]:
    """Write in one format, and read again."""
    out = folder / "coco.json" if known.name == "coco" else folder
    known.codec().write(annotations, out, label_map=LABELS)
    assert detect_format(out) is known
    return list(known.codec().read(out, Ledger(folder)))


@pytest.mark.parametrize(
    ("names", "px"),
    [
        (["coco"], 1e-6),
        (["labelme"], 1e-6),
        (["yolo"], 1e-4),
        (["coco", "labelme", "coco"], 1e-6),
        (["labelme", "coco", "labelme", "yolo"], 1e-4),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_round_trips_keep_every_box(tmp_path: Path, names: list[str], px: float) -> None:
    annotations = example()
    for number, name in enumerate(names):
        annotations = through(format_by_name(name), annotations, tmp_path / str(number))
    expected = [a for a in example() if a.status is not Status.UNKNOWN]
    by_name = sorted(annotations, key=lambda annotation: str(annotation.image))
    assert_equal(by_name, sorted(expected, key=lambda a: a.image.stem), px)


@pytest.mark.parametrize("name", ["coco", "labelme"])
def test_round_trips_keep_what_is_said_of_the_image(tmp_path: Path, name: str) -> None:
    first = through(format_by_name(name), example(), tmp_path)[0]
    assert (first.split, first.patient_id, first.labels) == ("train", "p1", {"tb": True})
    assert first.findings[2].polygon == example()[0].findings[2].polygon


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_an_unknown_class_cannot_be_written(tmp_path: Path, known: Format) -> None:
    with pytest.raises(AnnotationError, match="no such class"):
        known.codec().write(example(), tmp_path / "out", label_map=LabelMap(("other",)))


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_every_module_offers_the_codec(known: Format) -> None:
    functions = [name for name in vars(Codec) if not name.startswith("_")]
    assert len(functions) == 5
    for name in functions:
        expected = list(inspect.signature(getattr(Codec, name)).parameters)[1:]
        assert list(inspect.signature(getattr(known.codec(), name)).parameters) == expected


def test_modules_load_only_when_needed() -> None:
    code = (
        "import sys, lucency.annotations.formats; print('lucency.annotations.coco' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("module", [coco, labelme, yolo])
def test_detection_never_raises(tmp_path: Path, module: Codec) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "b.txt").write_bytes(b"\x80\x81")
    (tmp_path / "c.yaml").write_bytes(b"names: [")
    assert not any(module.detect(path) for path in (tmp_path, *tmp_path.iterdir()))


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"a": 1}', "<xml/>"])
def test_what_is_no_annotation_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(AnnotationError, match="none of the formats coco, labelme, yolo"):
        detect_format(path)


def test_two_formats_in_one_folder_need_a_word(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(json.dumps({"shapes": [], "imagePath": "1.png"}))
    (tmp_path / "classes.txt").write_text("a\n")
    with pytest.raises(AnnotationError, match="labelme and yolo; say which with --from"):
        detect_format(tmp_path)


def test_unknown_names_and_missing_paths(tmp_path: Path) -> None:
    assert format_by_name("COCO").name == "coco"
    with pytest.raises(AnnotationError, match="no such format"):
        format_by_name("voc5")
    with pytest.raises(AnnotationError, match="no such file"):
        detect_format(tmp_path / "absent")
