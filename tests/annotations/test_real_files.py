"""Every file under ``formats`` of the data folder, each as its tool wrote it."""

from collections import Counter
from pathlib import Path

import pytest

from lucency.annotations.convert import ConversionResult, Options, convert, gather
from lucency.annotations.ledger import Outcome, Reason
from lucency.annotations.recognition import formats_in
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError, ConfigError

pytestmark = pytest.mark.real_data

R = Reason
Drops = dict[Reason, int]

# Folder or file, its format, boxes in, and boxes dropped by reason; images are not looked for, so
# that files without the images' sizes drop all. Counted by hand: `jq` over the annotations,
# `grep -c` over <object> and <box>, `wc -l` over the tables.
FOLDERS: list[tuple[str, str, int, Drops]] = [
    ("coco/labelformat_inst", "coco", 7, {R.CROWD: 1}),
    # 6 captions without a class, 12 crowds (2 of 6 panoptic segments), 6 image-level labels
    ("coco/datumaro_coco_dataset", "coco", 40, {R.UNKNOWN_CLASS: 6, R.CROWD: 12, R.NO_BOX: 6}),
    ("createml/roboflow_annotations/valid_annotation.json", "coco", 2, {}),
    ("csv/grazped", "grazpedwri", 0, {}),
    ("csv/nih", "nih", 984, {}),
    ("csv/raccoon_tfcsv", "tensorflow", 44, {}),
    ("csv/vindr", "vindr-cxr", 10, {R.MISSING_IMAGE: 10}),
    ("cvat/comparing", "cvat", 24, {}),
    ("cvat/grazped", "cvat", 310, {}),
    ("dicom/seg_image_cr_binary.dcm", "dicom-seg", 1, {}),
    ("dicom/sr_document.dcm", "dicom-sr", 1, {R.MISSING_IMAGE: 1}),
    ("label_studio/sdk/test_export_json_min", "label-studio", 2, {}),
    # Four documents, to each of which image1 and image2 are images of another size.
    (
        "label_studio/sdk/test_export_yolo",
        "label-studio",
        36,
        {R.UNSUPPORTED_SHAPE: 3, R.SIZE_MISMATCH: 31},
    ),
    ("labelimg/raccoon", "voc", 217, {}),
    ("labelme/v2", "labelme", 18, {R.MISSING_IMAGE: 18}),
    ("labelme/v4", "labelme", 0, {}),
    ("labelme/v5", "labelme", 8, {R.UNSUPPORTED_SHAPE: 3}),
    ("labelme/v7.9.1", "labelme", 2, {}),
    ("openimages/datumaro_open_images_dataset/v6", "openimages", 2, {R.CROWD: 1}),
    ("via/misc", "via", 115, {R.MISSING_IMAGE: 115}),
    ("voc/labelme_labelme2voc", "voc", 9, {}),
    ("yolo/datumaro_yolo_dataset/annotations", "yolo", 2, {}),
    ("yolo/datumaro_yolo_dataset/labels", "yolo", 4, {}),
    ("yolo/datumaro_yolo_dataset/strict", "yolo", 2, {}),
]

# Files that are no annotation, or none by themselves, and the words that say so.
UNLIKE = "looks like no format"
NO_ANNOTATIONS = {
    # made to be wrong, and a server's answer
    "createml/roboflow_annotations/invalid_annotation.json": UNLIKE,
    "createml/roboflow_annotations/keypoint-detection-annotations/"
    "MM2A_46_R_T_predictions.json": UNLIKE,
    # the set-up of a labelling project, and a chat
    "label_studio/sdk/test_export_yolo/label_config.xml": UNLIKE,
    "label_studio/sdk/test_export_yolo/label_config_keypoints.xml": UNLIKE,
    "label_studio/sdk/test_export_yolo/label_config_obb.xml": UNLIKE,
    "label_studio/sdk/test_export_yolo/label_config_polygons.xml": UNLIKE,
    "label_studio/sdk/test_export_json_min/label_config.xml": UNLIKE,
    "label_studio/sdk/test_export_json_min/label_config_repeater.json": UNLIKE,
    "label_studio/sdk/test_export_json_min/chat_data.json": "has no image",
    # tables of images, classes and mask pictures
    "openimages/datumaro_open_images_dataset/v5/annotations/class-descriptions.csv": UNLIKE,
    "openimages/datumaro_open_images_dataset/v5/annotations/test-images-with-rotation.csv": UNLIKE,
    "openimages/datumaro_open_images_dataset/v5/annotations/"
    "train-images-with-labels-with-rotation.csv": UNLIKE,
    "openimages/datumaro_open_images_dataset/v6/annotations/bbox_labels_600_hierarchy.json": UNLIKE,
    "openimages/datumaro_open_images_dataset/v6/annotations/image_ids_and_rotation.csv": UNLIKE,
    "openimages/datumaro_open_images_dataset/v6/annotations/oidv6-class-descriptions.csv": UNLIKE,
    "openimages/datumaro_open_images_dataset/v6/annotations/"
    "train-annotations-object-segmentation.csv": UNLIKE,
    # texts beside label files
    "voc/labelme_labelme2voc/class_names.txt": UNLIKE,
    "yolo/datumaro_yolo_dataset/annotations/obj.names": UNLIKE,
    "yolo/datumaro_yolo_dataset/labels/obj.names": UNLIKE,
    "yolo/datumaro_yolo_dataset/labels/README.txt": UNLIKE,
    "yolo/datumaro_yolo_dataset/strict/obj.data": UNLIKE,
    "yolo/datumaro_yolo_dataset/strict/obj.names": UNLIKE,
    "yolo/datumaro_yolo_dataset/strict/train.txt": UNLIKE,
    # label files without the names of their classes, which stand in a folder above
    "yolo/datumaro_yolo_dataset/annotations/Annotations/1.txt": "class names are missing",
    "yolo/datumaro_yolo_dataset/labels/labels/train/1.txt": "class names are missing",
    "yolo/datumaro_yolo_dataset/labels/labels/val/1.txt": "class names are missing",
    "yolo/datumaro_yolo_dataset/strict/obj_train_data/1.txt": "class names are missing",
}

PICTURES = {".jpg", ".png"}


@pytest.fixture(scope="module")
def root(lucency_data: Path) -> Path:
    return lucency_data / "formats"


def gathered(path: Path) -> ConversionResult:
    """Everything that is in a source, with books that balance file by file."""
    result = gather(path, Options(labels_only=True))
    result.ledger.check()
    totals = result.ledger.totals()
    assert totals["in"] == totals["written"] + totals["merged"] + totals["dropped"]
    return result


@pytest.mark.parametrize(
    ("place", "name", "boxes", "dropped"), FOLDERS, ids=[place for place, *_ in FOLDERS]
)
def test_what_is_in_each_folder(
    root: Path, place: str, name: str, boxes: int, dropped: Drops
) -> None:
    result = gathered(root / place)
    assert result.format.name == name
    assert (result.ledger.totals()["in"], result.ledger.dropped_by_reason()) == (boxes, dropped)
    for entry in result.ledger.box_entries:
        assert entry.detail.isprintable()
        assert entry.outcome is not Outcome.DROPPED or entry.detail


def test_every_file_by_itself_is_accounted_for_or_no_annotation(root: Path) -> None:
    refused: dict[str, str] = {}
    formats: Counter[str] = Counter()
    boxes = 0
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.suffix in PICTURES:
            continue
        try:
            result = gathered(path)
        except AnnotationError as error:
            assert "\n" not in str(error)
            refused[path.relative_to(root).as_posix()] = str(error)
        else:
            formats[result.format.name] += 1
            boxes += result.ledger.totals()["in"]
            assert not result.ledger.left_out_by_reason()[Reason.UNREADABLE_ANNOTATION]
    assert refused.keys() == NO_ANNOTATIONS.keys()
    for name, words in NO_ANNOTATIONS.items():
        assert words in refused[name]
    assert formats == {
        "coco": 35, "voc": 203, "labelme": 7, "label-studio": 6, "openimages": 4, "cvat": 3,
        "via": 1, "nih": 1, "tensorflow": 1, "vindr-cxr": 1, "grazpedwri": 1, "dicom-sr": 1,
        "dicom-seg": 1,
    }  # fmt: skip
    assert boxes == sum(count for _, name, count, _ in FOLDERS if name != "yolo")


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("csv", ["tensorflow", "vindr-cxr", "nih", "grazpedwri"]),
        ("dicom", ["dicom-sr", "dicom-seg"]),
        ("createml", ["coco"]),
        ("label_studio", ["label-studio"]),
        ("voc/labelme_labelme2voc", ["voc"]),
    ],
)
def test_what_a_mixed_folder_looks_like(root: Path, place: str, names: list[str]) -> None:
    assert sorted(known.name for known in formats_in(Source(root / place))) == sorted(names)


@pytest.mark.parametrize(
    ("name", "at_least"), [("coco", 3), ("labelme", 5), ("yolo", 3), ("voc", 0), ("cvat", 0)]
)
def test_with_their_images_they_convert_or_give_one_clear_line(
    root: Path, tmp_path: Path, name: str, at_least: int
) -> None:
    suffixes = {".json", ".xml"}
    sources = [p for p in (root / name).rglob("*") if p.suffix in suffixes or p.is_dir()]
    converted = 0
    for number, path in enumerate(sources):
        out = tmp_path / str(number)
        try:
            ledger = convert(path, out, Options()).ledger
        except (AnnotationError, ConfigError) as error:
            assert "\n" not in str(error)
            assert not out.exists()
        else:
            ledger.check()
            assert (out / "dataset.csv").is_file()
            converted += 1
    assert converted >= at_least


def test_two_pictures_of_one_name_need_a_word(root: Path, tmp_path: Path) -> None:
    """labelme2voc draws the boxes into copies of the images, which have the images' names."""
    folder, out = root / "voc/labelme_labelme2voc", tmp_path / "set"
    with pytest.raises(AnnotationError, match="--allow ambiguous-image"):
        convert(folder, out, Options())
    totals = convert(folder, out, Options(images=folder / "JPEGImages")).ledger.totals()
    assert totals["written"] == totals["in"] == 9
