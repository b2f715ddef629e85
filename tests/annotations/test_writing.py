import base64
import csv
import errno
import hashlib
import io
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lucency.annotations.choices import Geometry
from lucency.annotations.convert import ConversionResult, Options, convert
from lucency.annotations.formats import FORMATS, Format
from lucency.annotations.ledger import Reason
from lucency.annotations.records import Dataset, read_dataset
from lucency.annotations.writing import write_ledger
from lucency.configs.errors import AnnotationError, ConfigError

WIDTH, HEIGHT = 100, 80


def png(seed: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, seed).save(buffer, "PNG")
    return buffer.getvalue()


def put(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def shapes(*boxes: tuple[float, float, float, float], label: str = "fracture") -> list[Any]:
    return [
        {"label": label, "shape_type": "rectangle", "points": [[x1, y1], [x2, y2]]}
        for x1, y1, x2, y2 in boxes
    ]


def labelme(path: Path, found: list[Any], **changes: object) -> Path:
    document = {"shapes": found, "imagePath": f"{path.stem}.png", "imageData": None}
    return put(path, json.dumps(document | {"imageWidth": WIDTH, "imageHeight": HEIGHT} | changes))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two boxes in one image, and a negative."""
    root = tmp_path / "source"
    labelme(root / "1.json", shapes((10, 20, 30, 40), (50, 50, 90, 70)), patient_id="p1")
    labelme(root / "2.json", [], flags={"tb": True})
    put(root / "1.png", png(1))
    put(root / "2.png", png(2))
    return root


WRITABLE = [known for known in FORMATS if known.writes]
every_writer = pytest.mark.parametrize("known", WRITABLE, ids=lambda known: known.name)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "set"


def run(
    source: Path, out: Path, *, allow: Collection[Reason] = (), dry_run: bool = False, **said: Any
) -> ConversionResult:
    return convert(source, out, Options(**said), allow=allow, dry_run=dry_run)


def converted(source: Path, out: Path, **options: Any) -> Dataset:
    dataset = run(source, out, **options).dataset
    assert dataset is not None
    return dataset


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder by name, and its digest."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_an_embedded_image_is_written(source: Path, out: Path) -> None:
    data = base64.b64encode((source / "1.png").read_bytes()).decode()
    (source / "1.png").unlink()
    labelme(source / "1.json", shapes((1, 1, 9, 9)), imagePath="1.json", imageData=data)
    dataset = converted(source, out)
    assert dataset.image_path(dataset.records[0]).read_bytes() == png(1)


def test_equal_names_from_two_folders_do_not_collide(tmp_path: Path, out: Path) -> None:
    root = tmp_path / "source"
    for seed, folder in enumerate(("a", "b", "train/b")):
        labelme(root / folder / "1.json", shapes((1, 1, 9, 9 + seed)))
        put(root / folder / "1.png", png(seed))
    dataset = converted(root, out)
    assert [str(record.image) for record in dataset.records] == [
        "images/unsplit/a_1.png", "images/unsplit/source_b_1.png", "images/train/train_b_1.png"
    ]  # fmt: skip
    assert len(list((out / "labels").rglob("*.txt"))) == 3


def test_images_without_a_known_suffix_get_one(source: Path, out: Path) -> None:
    (source / "1.png").rename(source / "1.2.840.1")
    labelme(source / "1.json", shapes((1, 1, 9, 9)), imagePath="1.2.840.1")
    dataset = converted(source, out)
    assert dataset.records[0].image.name.endswith(".png")
    assert len(dataset.findings(dataset.records[0])) == 1


def test_a_set_of_our_own_converts_to_itself(source: Path, out: Path, tmp_path: Path) -> None:
    found = shapes((10, 20, 30, 40)) + shapes((50, 50, 60, 60), label="cast")
    labelme(source / "1.json", found, patient_id="p1", split="train")
    first = converted(source, out)
    again = converted(out, tmp_path / "again")
    assert list(again.label_map) == list(first.label_map)
    for old, new in zip(first.records, again.records, strict=True):
        assert (old.image, old.sha256, old.patient_id) == (new.image, new.sha256, new.patient_id)
        assert (old.status, old.split, old.label("tb")) == (new.status, new.split, new.label("tb"))
        assert [f.box for f in first.findings(old)] == [f.box for f in again.findings(new)]


def test_nothing_is_overwritten(source: Path, out: Path) -> None:
    put(out / "mine.txt", "")
    with pytest.raises(ConfigError, match="exists already"):
        run(source, out)


def test_images_are_linked_and_copied_where_they_cannot_be(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = converted(source, out)
    for record in linked.records:
        assert linked.image_path(record).samefile(source / record.image.name)

    def other_disk(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_disk)
    copied = converted(source, out.parent / "copied")
    for record in copied.records:
        path = copied.image_path(record)
        assert not path.samefile(source / record.image.name)
        assert path.read_bytes() == (source / record.image.name).read_bytes()
    assert tree(out) == tree(out.parent / "copied")


def test_a_linked_image_is_linked_to_what_it_stands_for(source: Path, out: Path) -> None:
    (source / "1.png").rename(source.parent / "elsewhere.png")
    (source / "1.png").symlink_to(source.parent / "elsewhere.png")
    path = converted(source, out).image_path(converted(source, out.parent / "b").records[0])
    assert not path.is_symlink()
    assert path.samefile(source.parent / "elsewhere.png")
    assert path.name == "1.png"


def test_names_of_another_encoding_are_replaced_and_told(source: Path, out: Path) -> None:
    """A file system may hold names that are no UTF-8; tables and ledger cannot."""
    name = os.fsdecode(b"R\xf6ntgen.png")
    (source / "2.png").rename(source / name)
    (source / "2.json").unlink()
    (source / "1.json").rename(source / os.fsdecode(b"\xf6.json"))
    result = run(source, out, images=source)
    assert result.dataset is not None
    assert [record.image.name for record in result.dataset.records] == ["1.png", "R?ntgen.png"]
    assert read_dataset(out).records[0].source == "?.json"
    assert "R?ntgen.png" in (out / "ledger.json").read_text(encoding="utf-8")


@every_writer
def test_running_twice_gives_the_same_bytes(source: Path, out: Path, known: Format) -> None:
    triangle = {"label": "cast", "shape_type": "polygon", "points": [[1, 1], [30.3, 9], [5, 40]]}
    labelme(source / "3.json", [*shapes((-5, 5, 9, 9), (1, 1, 9, 9), (1, 1, 9, 9)), triangle])
    put(source / "3.png", png(3))
    for number in (1, 2):
        run(source, out / str(number), to_format=known.name)
    assert tree(out / "1") == tree(out / "2")
    assert "ledger.json" in tree(out / "1")


def test_geometries_are_reproducible_too(source: Path, out: Path) -> None:
    triangle = {"label": "cast", "shape_type": "polygon", "points": [[1, 1], [30.3, 9], [5, 40]]}
    labelme(source / "3.json", [triangle, *shapes((1, 1, 9, 9))])
    put(source / "3.png", png(3))
    for geometry in Geometry:
        for number in (1, 2):
            run(source, out / geometry / str(number), geometry=geometry)
        assert tree(out / geometry / "1") == tree(out / geometry / "2")


@every_writer
def test_another_format_is_written_with_its_images(source: Path, out: Path, known: Format) -> None:
    result = run(source, out, to_format=known.name)
    assert (result.dataset is None) == (known.name != "yolo")
    names = set(tree(out))
    folder = {"yolo": "images/unsplit/"}.get(known.name, "images/")
    assert {f"{folder}1.png", f"{folder}2.png", "ledger.json"} <= names
    assert (out / folder / "1.png").samefile(source / "1.png")
    documents = {
        "labelme": {"images/1.json", "images/2.json"},
        "voc": {"1.xml", "2.xml"},
        "cvat": {"annotations.xml"},
        "label-studio": {"annotations.json", "config.xml"},
        "yolo": {"data.yaml", "dataset.csv", "labels/unsplit/1.txt", "labels/unsplit/2.txt"},
    }.get(known.name, {"annotations.json"})
    assert names - {f"{folder}1.png", f"{folder}2.png", "ledger.json"} == documents


@every_writer
def test_another_format_converts_back_to_the_same_set(
    source: Path, out: Path, known: Format
) -> None:
    direct = converted(source, out / "direct")
    run(source, out / "other", to_format=known.name)
    back = converted(out / "other", out / "back")
    assert list(back.label_map) == list(direct.label_map)
    for one, other in zip(direct.records, back.records, strict=True):
        assert (one.image, one.status, one.sha256) == (other.image, other.status, other.sha256)
        for a, b in zip(direct.findings(one), back.findings(other), strict=True):
            corners = (b.box.x1, b.box.y1, b.box.x2, b.box.y2)
            assert (a.box.x1, a.box.y1, a.box.x2, a.box.y2) == pytest.approx(corners, abs=0.001)


@every_writer
def test_images_of_unknown_status_are_in_no_other_format(
    source: Path, out: Path, known: Format
) -> None:
    labelme(source / "2.json", shapes((200, 10, 220, 30)))
    result = run(source, out, to_format=known.name, allow={Reason.OUTSIDE_IMAGE})
    assert len(result.images) == (2 if known.name == "yolo" else 1)
    names = {name for name in tree(out) if name.endswith("2.png")}
    assert names == ({"images/unknown/2.png"} if known.name == "yolo" else set())
    assert not [name for name in tree(out) if name.endswith(("2.json", "2.xml", "2.txt"))]


def test_an_image_called_ledger_keeps_its_document(source: Path, out: Path) -> None:
    """labelme's document of it would have the name of our books."""
    labelme(source / "ledger.json", shapes((5, 5, 9, 9)))
    put(source / "ledger.png", png(7))
    try:
        run(source, out, to_format="labelme")
    except AnnotationError as error:
        assert "ledger" in str(error)
        return
    back = run(out, out.parent / "back")
    assert back.ledger.totals()["written"] == 3


def test_a_failed_write_leaves_nothing_behind(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lucency.annotations.writing.write_ledger", full)
    before = sorted(out.parent.iterdir())
    for name in ("yolo", "coco"):
        with pytest.raises(ConfigError, match=r"set: cannot be written: No space left on device$"):
            run(source, out, to_format=name)
        assert sorted(out.parent.iterdir()) == before


def test_the_ledger_is_json_with_one_entry_a_line(tmp_path: Path) -> None:
    ledger = {
        "boxes": {"in": 1},
        "files": {f"{n}.json": {"in": n} for n in range(9)},
        "box_entries": [{"image": "ö\u2028.png"}, {"image": '"\n'}],
        "hints": [],
    }
    write_ledger(tmp_path, ledger)
    text = (tmp_path / "ledger.json").read_text(encoding="utf-8")
    assert json.loads(text) == ledger
    assert '  "3.json": {"in": 3},\n' in text
    assert '  {"image": "\\"\\n"}\n' in text


def csv_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "dataset.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_columns_of_our_own_sets_survive_whatever_they_hold(source: Path, out: Path) -> None:
    """A follow-up of 0 or 1 looks like a label, and one of 2 does not."""
    run(source, out, to_format="yolo")
    table = out / "dataset.csv"
    header, first, second = table.read_text(encoding="utf-8").splitlines()
    table.write_text(f"{header},follow_up\n{first},2\n{second},1\n", encoding="utf-8")
    run(out, out.parent / "again")
    assert [row["follow_up"] for row in csv_rows(out.parent / "again")] == ["2", "1"]


def test_labels_named_like_columns_lose_nothing(source: Path, out: Path) -> None:
    names = ["split", "split_label", "Split", "source", "sha256"]
    labelme(source / "2.json", [], flags=dict.fromkeys(names, True))
    dataset = converted(source, out)
    rows = csv_rows(out)
    assert [row["split"] for row in rows] == ["unsplit"] * 2
    assert list(rows[1].values()).count("1") == len(names)
    again = converted(out, out.parent / "again")
    assert [record.extra for record in again.records] == [r.extra for r in dataset.records]


@every_writer
def test_a_dry_run_refuses_what_a_run_refuses(tmp_path: Path, out: Path, known: Format) -> None:
    put(tmp_path / "yolo/labels/1.txt", "0 0.5 0.5 0.2 0.4\n")
    put(tmp_path / "yolo/labels/ledger.txt", "0 0.5 0.5 0.2 0.4\n")
    put(tmp_path / "yolo/classes.txt", "a\n")
    said: list[str] = []
    for dry_run in (True, False):
        try:
            run(tmp_path / "yolo", out, labels_only=True, to_format=known.name, dry_run=dry_run)
            said.append("")
        except AnnotationError as error:
            said.append(str(error))
    assert said[0] == said[1]


def test_an_image_is_never_written_over_another(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = lambda images: ["1.png"] * len(images)  # noqa: E731
    monkeypatch.setattr("lucency.annotations.writing.file_names", names)
    with pytest.raises(ConfigError, match="cannot be written: File exists"):
        run(source, out)
    assert not out.exists()


def test_folders_of_another_encoding_do_not_spoil_the_ledger(source: Path, out: Path) -> None:
    for folder in ("a\udcff", "b\udcff"):
        put(source / folder / "7.png", png(7))
    labelme(source / "7.json", shapes((5, 5, 9, 9)))
    run(source, out, allow={Reason.AMBIGUOUS_IMAGE})
    books = json.loads((out / "ledger.json").read_text(encoding="utf-8"))
    assert books["images"]["left_out_by_reason"] == {"ambiguous-image": 1}


def test_the_way_to_the_source_changes_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelme(source / "a/1.json", shapes((1, 1, 9, 9)))
    labelme(source / "gone.json", shapes((1, 1, 9, 9)))
    for seed, name in enumerate(("a/1.png", "free.png", "a/b/free.png"), start=5):
        put(source / name, png(seed))
    (tmp_path / "apart").mkdir()
    ways = {
        tmp_path: [(source, source), (Path("source"), Path("source")), (Path("source"), source),
                   (source, Path("apart/../source"))],
        source: [(Path(), Path()), (Path("../source"), source), (Path(), source)],
    }  # fmt: skip
    trees = []
    for folder, pairs in ways.items():
        monkeypatch.chdir(folder)
        for named, images in pairs:
            out = tmp_path / f"out{len(trees)}"
            run(named, out, images=images, allow={Reason.MISSING_IMAGE})
            trees.append(tree(out))
    assert all(found == trees[0] for found in trees)
    assert len(trees) == 7
