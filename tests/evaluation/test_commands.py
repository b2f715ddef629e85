"""``lucency check``: what it prints, what it writes, and its exit status."""

import io
import json
import shutil
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from lucency.configs.errors import LucencyError
from lucency.evaluation.commands import check

APP = typer.Typer()
APP.command()(check)
BOX = [10, 20, 30, 40]


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (100, 80), shade).save(buffer, "PNG")
    return buffer.getvalue()


def document(count: int = 13) -> dict[str, list[dict[str, object]]]:
    """Twelve images with a box, and a negative."""
    return {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": 100, "height": 80} for n in range(count)
        ],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": BOX} for n in range(count - 1)
        ],
        "categories": [{"id": 1, "name": "[b]fracture"}],
    }


class Source:
    def __init__(self, folder: Path) -> None:
        self.path, self.images = folder / "coco.json", folder / "images"
        self.document = document()
        self.images.mkdir()
        for n in range(13):
            (self.images / f"{n}.png").write_bytes(png(n))

    def run(self, *arguments: object) -> Result:
        self.path.write_text(json.dumps(self.document))
        given = [self.path, "--images", self.images, *arguments]
        return run(*given)


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments])
    if isinstance(result.exception, LucencyError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def lose_images(source: Source, count: int = 1) -> None:
    for n in range(count):
        (source.images / f"{n}.png").unlink()


def add_unlabelled(source: Source) -> None:
    (source.images / "99.png").write_bytes(png(99))


def test_a_clean_source(source: Source) -> None:
    result = source.run()
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == f"{source.path}: COCO JSON"
    assert lines[1] == (
        "Images: 12 annotated, 1 negative, 0 unknown. Boxes: 12; classes: [b]fracture 12."
    )
    assert lines[2:] == ["0 errors, 0 warnings in 13 images"]


def test_the_table_and_the_examples(source: Source) -> None:
    lose_images(source, 7)
    result = source.run()
    assert result.exit_code == 1
    lines = result.output.splitlines()
    row = next(line for line in lines if "missing-image" in line and "│" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")][:3] == [
        "error", "missing-image", "7",
    ]  # fmt: skip
    start = next(n for n, line in enumerate(lines) if line.startswith("error missing-image: "))
    assert lines[start + 1].startswith("  0.png, coco.json: no such image in ")
    assert lines[start + 1].endswith("; 1 box lost with it")
    assert lines[start + 6] == "  … and 2 more"
    assert lines[-1] == "7 errors, 1 warning in 13 images"  # five boxes are few


def test_warnings_fail_only_where_asked(source: Source) -> None:
    add_unlabelled(source)
    result = source.run()
    assert (result.exit_code, result.output.splitlines()[-1]) == (
        0, "0 errors, 1 warning in 14 images",
    )  # fmt: skip
    assert source.run("--strict").exit_code == 1
    assert source.run("--strict", "--ignore", "unlabelled-image").exit_code == 0


def test_notes_never_fail(source: Source) -> None:
    source.document["annotations"].append({"id": 99, "image_id": 12, "category_id": 1, "bbox": BOX})
    result = source.run("--strict")
    assert result.exit_code == 0
    assert "note no-negatives" in result.output


def test_ignored_rules(source: Source) -> None:
    lose_images(source)
    add_unlabelled(source)
    result = source.run("--ignore", "missing-image", "--ignore", "unlabelled-image")
    assert result.exit_code == 0
    assert "ignored: missing-image 1, unlabelled-image 1" in result.output
    assert "0 errors, 0 warnings" in result.output


def test_json_and_html(source: Source, tmp_path: Path) -> None:
    lose_images(source)
    json_file, html_file = tmp_path / "new/check.json", tmp_path / "check.html"
    assert source.run("--json", json_file, "--html", html_file).exit_code == 1
    values = json.loads(json_file.read_text(encoding="utf-8"))
    assert values["counts"] == {"error": 1, "warning": 0, "note": 0}
    assert values["problems"][0] == {
        "rule": "missing-image",
        "severity": "error",
        "image": "0.png",
        "source": "coco.json",
        "index": "",
        "label": "",
        "detail": values["problems"][0]["detail"],
    }
    assert values["classes"]["[b]fracture"]["boxes"] == 11
    assert 'id="missing-image"' in html_file.read_text(encoding="utf-8")
    before = json_file.read_bytes(), html_file.read_bytes()
    source.run("--json", json_file, "--html", html_file)
    assert (json_file.read_bytes(), html_file.read_bytes()) == before


def test_format_and_class_names_are_passed_on(tmp_path: Path) -> None:
    (tmp_path / "set/labels").mkdir(parents=True)
    (tmp_path / "set/1.png").write_bytes(png(1))
    (tmp_path / "set/labels/1.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "names.txt").write_text("fracture\n")
    result = run(
        tmp_path / "set", "--from", "yolo", "--classes", tmp_path / "names.txt",
        "--images", tmp_path / "set",
    )  # fmt: skip
    assert "classes: fracture 1." in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ignore", "typo"], "--ignore typo: no such rule"),
        (["--json", "."], "--json .: must be a file"),
        (["--html", "/dev/null/page.html"], "--html /dev/null/page.html: must be a file"),
        (["--from", "voc5"], "no such format"),
        (["--classes", "nowhere.txt"], "nowhere.txt: cannot be read"),
        (["--images", "nowhere"], "--images nowhere: no such folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(source: Source, arguments: list[str], message: str) -> None:
    with pytest.raises(LucencyError, match=message) as caught:
        source.run(*arguments)
    assert "\n" not in str(caught.value)


def test_an_unreadable_source_is_one_line(tmp_path: Path) -> None:
    for name, content in (("a.json", b'{"images": ['), ("b.json", b"\xff\xfe\x00"), ("c", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LucencyError, match=name) as caught:
            run(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.real_data
def test_a_patient_of_dicom_files_in_two_splits(lucency_data: Path, tmp_path: Path) -> None:
    """The Patient ID is taken from the files where a set does not name the patient."""
    import pydicom

    original = next(
        path
        for path in sorted((lucency_data / "dicom").glob("*.dcm"))
        if pydicom.dcmread(path, stop_before_pixels=True).get("PatientID")
    )
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (tmp_path / "set" / kind / split).mkdir(parents=True)
        (tmp_path / f"set/labels/{split}/{split}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "set/data.yaml").write_text(
        "train: images/train\nval: images/val\nnames: [fracture]\n"
    )
    shutil.copyfile(original, tmp_path / "set/images/train/train.dcm")
    image = pydicom.dcmread(original)
    image.InstanceNumber = 4711  # another file of the same patient
    image.save_as(tmp_path / "set/images/val/val.dcm")
    result = run(tmp_path / "set")
    assert result.exit_code == 1
    assert "images/train/train.dcm (train), images/val/val.dcm (val)" in result.output
    assert "error patient-in-two-splits" in result.output
    assert result.output.splitlines()[-1].startswith("1 error, ")
