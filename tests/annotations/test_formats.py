import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import (
    FORMATS,
    ClassOrder,
    EmbeddedImages,
    Format,
    Head,
    Reader,
    Writer,
    format_by_name,
)
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger
from lucency.annotations.recognition import recognise
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

WRITABLE = [known for known in FORMATS if known.writes]
LABELS = LabelMap(("x", "y"))
FINDING = Finding("x", Box(1.5, 2, 30, 40.25))

every_format = pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
every_writer = pytest.mark.parametrize("known", WRITABLE, ids=lambda known: known.name)


def annotation(image: str, *findings: Finding, size: tuple[int, int] | None = (100, 80)) -> (
    ImageAnnotation
):  # fmt: skip
    status = Status.ANNOTATED if findings else Status.NEGATIVE
    return ImageAnnotation(image, "source", size, findings, status)


def offered(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


@every_format
def test_every_module_offers_its_functions(known: Format) -> None:
    wanted: list[tuple[type, object]] = [(Reader, known.reader())]
    wanted += [(Writer, known.writer())] if known.writes else []
    wanted += [(ClassOrder, known.class_order())] if known.class_numbers else []
    wanted += [(EmbeddedImages, known.embedded_images())] if known.embeds_images else []
    for protocol, module in wanted:
        for name in offered(protocol):
            expected = list(inspect.signature(getattr(protocol, name)).parameters)[1:]
            assert list(inspect.signature(getattr(module, name)).parameters) == expected, name


@every_format
def test_no_module_offers_what_the_table_denies(known: Format) -> None:
    module = known.reader()
    assert hasattr(module, "write") == known.writes
    assert hasattr(module, "embedded_image") == known.embeds_images


def test_the_table_names_each_format_once() -> None:
    names = [known.name for known in FORMATS]
    assert len(set(names)) == len(names)
    assert {name for known in FORMATS for name in known.outranks} <= set(names)
    assert {known.name for known in WRITABLE} == {
        "coco", "labelme", "yolo", "voc", "cvat", "label-studio", "createml"
    }  # fmt: skip


def test_modules_load_only_when_needed() -> None:
    code = (
        "import sys, lucency.annotations.formats; print('lucency.annotations.coco' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


HOSTILE = [
    "", "\0", "\ufffd" * 100, "[" * 50_000, '{"a":' * 5_000, "<a>" * 5_000, "names: [", "NaN",
    "<?xml", "<!DOCTYPE a [<!ENTITY b 'c'>]>", ",,,\n", '"', "a,b\n1", "0 1 1 1 1", "\ud800",
    "1\n" * 9,
]  # fmt: skip


@every_format
@pytest.mark.parametrize("suffix", [".json", ".txt", ".yaml", ".csv", ".xml", ".dcm", ""])
def test_detection_never_raises(known: Format, suffix: str, tmp_path: Path) -> None:
    detect = known.reader().detect
    for text in HOSTILE:
        for name in (f"a{suffix}", f"labels/train/a{suffix}", f"a\0b{suffix}"):
            assert detect(Head(f"{tmp_path}/{name}", name, text)) in (True, False)


@every_format
def test_an_empty_file_is_no_annotation(known: Format, tmp_path: Path) -> None:
    for suffix in known.suffixes:
        head = Head(f"{tmp_path}/a{suffix}", f"a{suffix}", "")
        assert not known.reader().detect(head)


@every_writer
def test_what_is_written_is_recognised_as_this_format_alone(known: Format, tmp_path: Path) -> None:
    images = [annotation("1.png", FINDING), annotation("2.png")]
    known.writer().write(images, tmp_path, label_map=LABELS)
    assert recognise(Source(tmp_path)) is known
    for file in tmp_path.rglob("*"):
        # Label Studio's configuration of a project is no annotation.
        if file.is_file() and file.stat().st_size and file.name != "config.xml":
            assert recognise(Source(file)) is known


@every_writer
def test_an_unknown_class_cannot_be_written(known: Format, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"^1\.png: x: no such class"):
        known.writer().write(
            [annotation("1.png", FINDING)], tmp_path, label_map=LabelMap(("other",))
        )


@every_writer
def test_an_image_of_unknown_status_is_not_written(known: Format, tmp_path: Path) -> None:
    unknown = ImageAnnotation("2.png", "source", (100, 80), (), Status.UNKNOWN)
    known.writer().write([annotation("1.png", FINDING), unknown], tmp_path, label_map=LABELS)
    found = list(known.reader().read(Source(tmp_path), Ledger()))
    assert [image.image.rpartition("/")[2].removesuffix(".png") for image in found] == ["1"]


@every_writer
def test_a_negative_stays_a_negative(known: Format, tmp_path: Path) -> None:
    images = [annotation("1.png", FINDING), annotation("2.png")]
    known.writer().write(images, tmp_path, label_map=LABELS)
    found = {
        image.image.rpartition("/")[2].removesuffix(".png"): image.status
        for image in known.reader().read(Source(tmp_path), Ledger())
    }
    assert found == {"1": Status.ANNOTATED, "2": Status.NEGATIVE}


@every_writer
def test_without_a_size_it_is_written_right_or_refused(known: Format, tmp_path: Path) -> None:
    images = [annotation("1.png", FINDING, size=None)]
    try:
        known.writer().write(images, tmp_path, label_map=LABELS)
    except AnnotationError as error:
        assert "1.png" in str(error)
        assert "size" in str(error)
        return
    (found,) = known.reader().read(Source(tmp_path), Ledger())
    assert found.size_wh is None
    box = found.findings[0].box
    assert (box.x1, box.y1, box.x2, box.y2) == pytest.approx((1.5, 2, 30, 40.25))


@every_writer
def test_writing_twice_gives_the_same_bytes(known: Format, tmp_path: Path) -> None:
    images = [annotation("1.png", FINDING, Finding("y", Box(0, 0, 9, 9))), annotation("2.png")]
    trees = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        known.writer().write(iter(images), tmp_path / name, label_map=LABELS)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        trees.append([(str(f.relative_to(tmp_path / name)), f.read_bytes()) for f in files])
    assert trees[0] == trees[1]
    assert trees[0]


def test_unknown_names() -> None:
    assert format_by_name("COCO").name == "coco"
    with pytest.raises(AnnotationError, match="voc5: no such format; there are coco, labelme"):
        format_by_name("voc5")


def test_a_format_that_cannot_be_written_says_which_can() -> None:
    with pytest.raises(AnnotationError, match=r"rsna: cannot be written; these can: coco, labelme"):
        format_by_name("rsna").writer()
