import json
import shutil
import subprocess

import cv2
import numpy as np
import pydicom
import pytest

from lucency.configs.errors import ConfigError
from lucency.datasets.phantom_files import (
    monochrome_of,
    write_coco,
    write_dicom,
    write_labelme,
)
from lucency.datasets.phantoms import Phantom, make_chests, make_limbs

SIZE = 80


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [*make_limbs(4, seed=1, size=SIZE), *make_chests(4, seed=1, size=SIZE)]


def displayed(path):
    """Pixels of a DICOM file as a viewer shows them, 0 to 4095."""
    dataset = pydicom.dcmread(path)
    stored = dataset.pixel_array
    return 4095 - stored if dataset.PhotometricInterpretation == "MONOCHROME1" else stored


@pytest.mark.parametrize("monochrome", [1, 2])
def test_dicom_shows_the_phantom_in_either_sense(tmp_path, phantoms, monochrome):
    path = tmp_path / "a.dcm"
    write_dicom(phantoms[0], path, monochrome=monochrome)
    dataset = pydicom.dcmread(path)
    assert dataset.PhotometricInterpretation == f"MONOCHROME{monochrome}"
    assert (dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit) == (16, 12, 11)
    assert dataset.PixelRepresentation == 0
    assert dataset.PatientID == phantoms[0].patient_id
    assert dataset.ViewPosition == phantoms[0].view
    assert np.array_equal(displayed(path), phantoms[0].pixels)


def test_dicom_is_the_same_each_time(tmp_path, phantoms):
    for name in ("a", "b"):
        write_dicom(phantoms[0], tmp_path / name, monochrome=2)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("monochrome", [1, 2])
@pytest.mark.skipif(shutil.which("dcmj2pnm") is None, reason="needs DCMTK's dcmj2pnm")
def test_dcmtk_renders_the_same_picture(tmp_path, phantoms, monochrome):
    write_dicom(phantoms[0], tmp_path / "a.dcm", monochrome=monochrome)
    command = ["dcmj2pnm", "+Wi", "1", str(tmp_path / "a.dcm"), str(tmp_path / "a.pgm")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stderr.strip() == ""
    shown = cv2.imread(str(tmp_path / "a.pgm"), cv2.IMREAD_UNCHANGED).astype(float)
    assert np.abs(shown - phantoms[0].pixels * (255 / 4095)).max() < 1.1


def test_uids_are_distinct_and_share_the_study(tmp_path, phantoms):
    write_labelme(phantoms, tmp_path / "set")
    files = [pydicom.dcmread(path) for path in sorted((tmp_path / "set").glob("*.dcm"))]
    assert len({f.SOPInstanceUID for f in files}) == len(phantoms)
    assert len({(f.StudyInstanceUID, f.PatientID) for f in files}) == 8
    for f in files:
        uids = (f.SOPInstanceUID, f.SeriesInstanceUID, f.StudyInstanceUID)
        assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids)
        assert f.PhotometricInterpretation == f"MONOCHROME{monochrome_of(f.PatientID)}"


def test_one_patient_in_three_is_monochrome1():
    kinds = [monochrome_of(f"limb-0-{number:04d}") for number in range(300)]
    assert 70 < kinds.count(1) < 130


@pytest.mark.parametrize("image_format", ["dcm", "png"])
def test_labelme_files(tmp_path, phantoms, image_format):
    folder = tmp_path / "set"
    assert write_labelme(phantoms, folder, image_format=image_format) == len(phantoms)
    assert len(list(folder.iterdir())) == 2 * len(phantoms)
    for phantom in phantoms:
        document = json.loads((folder / f"{phantom.image_id}.json").read_text())
        assert document["imagePath"] == f"{phantom.image_id}.{image_format}"
        assert (folder / document["imagePath"]).is_file()
        assert (document["imageWidth"], document["imageHeight"]) == (SIZE, SIZE)
        assert document["flags"] == phantom.labels
        assert document["patient_id"] == phantom.patient_id
        shapes = [(s["label"], *s["points"][0], *s["points"][1]) for s in document["shapes"]]
        boxes = [(f.label, f.box.x1, f.box.y1, f.box.x2, f.box.y2) for f in phantom.findings]
        assert shapes == boxes
        assert {s["shape_type"] for s in document["shapes"]} <= {"rectangle"}


@pytest.mark.parametrize(("bits", "factor"), [(8, 1 / 16), (16, 16)])
def test_coco_files(tmp_path, phantoms, bits, factor):
    folder = tmp_path / "set"
    assert write_coco(phantoms, folder, bits=bits) == len(phantoms)
    document = json.loads((folder / "annotations.json").read_text())
    names = {c["id"]: c["name"] for c in document["categories"]}
    assert sorted(names.values()) == sorted({f.label for p in phantoms for f in p.findings})
    for entry, phantom in zip(document["images"], phantoms, strict=True):
        assert entry["patient_id"] == phantom.patient_id
        assert entry["flags"] == phantom.labels
        picture = cv2.imread(str(folder / entry["file_name"]), cv2.IMREAD_UNCHANGED)
        assert picture.dtype == (np.uint8 if bits == 8 else np.uint16)
        assert np.array_equal(picture, np.floor(phantom.pixels * factor))
        mine = [a for a in document["annotations"] if a["image_id"] == entry["id"]]
        expected = [
            (f.label, [f.box.x1, f.box.y1, f.box.width, f.box.height]) for f in phantom.findings
        ]
        assert [(names[a["category_id"]], a["bbox"]) for a in mine] == expected


@pytest.mark.parametrize("write", [write_labelme, write_coco], ids=["labelme", "coco"])
def test_folder_is_complete_or_absent(tmp_path, phantoms, write):
    def broken():
        yield phantoms[0]
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write(broken(), tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [write_labelme, write_coco], ids=["labelme", "coco"])
def test_no_folder_of_the_user_is_overwritten(tmp_path, phantoms, write):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        write(phantoms, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("write", [write_labelme, write_coco], ids=["labelme", "coco"])
def test_no_phantoms_give_an_empty_set(tmp_path, write):
    assert write([], tmp_path / "set") == 0
    assert (tmp_path / "set").is_dir()
