import json
from pathlib import Path

import pytest

from lucency.annotations import recognition
from lucency.annotations.recognition import formats_in, recognise
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

LABELME = json.dumps({"shapes": [], "imagePath": "1.png"})
COCO = json.dumps({"images": [], "annotations": [], "categories": []})
VOC = "<annotation><filename>1.png</filename><object><name>a</name></object></annotation>"


def put(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return root


def found(path: Path) -> list[str]:
    return [known.name for known in formats_in(Source(path))]


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"a": 1}', "<xml/>", "\0\1\2"])
def test_what_is_no_annotation_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(AnnotationError, match="looks like no format") as caught:
        recognise(Source(path))
    assert "--from" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_formats_in_one_folder_need_a_word(tmp_path: Path) -> None:
    put(tmp_path, {"1.json": LABELME, "data.yaml": "names: [a]\nnc: 1\n"})
    with pytest.raises(AnnotationError, match="labelme and yolo; say which with --from"):
        recognise(Source(tmp_path))


def test_missing_paths(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="absent: no such file or folder"):
        recognise(Source(tmp_path / "absent"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize(
    ("name", "text"), [("labelme", LABELME), ("coco", COCO)], ids=["labelme", "coco"]
)
def test_encodings_do_not_hide_a_format(
    tmp_path: Path, encoding: str, name: str, text: str
) -> None:
    put(tmp_path, {"1.json": text.encode(encoding)})
    assert found(tmp_path) == [name]


def test_suffixes_may_be_in_capitals(tmp_path: Path) -> None:
    assert found(put(tmp_path, {"1.XML": VOC})) == ["voc"]


def test_a_few_files_of_each_folder_tell(tmp_path: Path) -> None:
    """Rubbish before them hides nothing, as long as it is less than the sample."""
    files = {f"{folder}/{n}.json": LABELME for folder in "ab" for n in range(20)}
    files |= {f"a/-{n}.json": "{}" for n in range(4)}
    files |= {"b/-broken.json": '{"shapes": ['}
    assert found(put(tmp_path, files)) == ["labelme"]


def test_only_a_sample_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {f"{n:03}.json": LABELME for n in range(200)})
    opened = []
    head = recognition._head

    def counted(file: recognition.SourceFile) -> recognition.Head:
        opened.append(file.name)
        return head(file)

    monkeypatch.setattr(recognition, "_head", counted)
    assert found(tmp_path) == ["labelme"]
    assert len(opened) <= 10


def test_a_long_document_is_known_by_its_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "_WHOLE_BYTES", 50_000)
    monkeypatch.setattr(recognition, "_PART_BYTES", 5_000)
    boxes = [{"id": n, "bbox": [1, 2, 3, 4]} for n in range(5_000)]
    images_last = json.dumps({"annotations": boxes, "categories": [], "images": []})
    images_first = json.dumps({"images": [], "categories": [], "annotations": boxes})
    for number, text in enumerate((images_last, images_first)):
        assert len(text) > 60_000
        assert found(put(tmp_path / str(number), {"a.json": text})) == ["coco"]


def test_a_special_case_outranks_the_general_format(lucency_data: Path) -> None:
    folder = lucency_data / "tbx11k/annotations"
    path = next(path for path in sorted(folder.rglob("*.xml")) if "<bndbox>" in path.read_text())
    assert found(path) == ["tbx11k"]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("fracatlas/annotations/coco.json", "coco"),
        ("fracatlas/annotations/via.json", "via"),
        ("fracatlas/annotations/voc", "voc"),
        ("fracatlas/annotations/yolo", "yolo"),
        ("tbx11k/labels", "yolo"),
        ("formats/labelme", "labelme"),
        ("formats/labelimg", "voc"),
        ("formats/voc", "voc"),
        ("formats/cvat", "cvat"),
        ("formats/label_studio", "label-studio"),
        ("formats/createml", "coco"),
        ("formats/via", "via"),
        ("formats/openimages", "openimages"),
        ("formats/csv/grazped", "grazpedwri"),
        ("formats/csv/nih", "nih"),
        ("formats/csv/raccoon_tfcsv", "tensorflow"),
        ("formats/csv/vindr", "vindr-cxr"),
    ],
)
def test_real_folders(lucency_data: Path, place: str, name: str) -> None:
    assert recognise(Source(lucency_data / place)).name == name
