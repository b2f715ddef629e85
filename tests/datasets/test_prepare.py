import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from lucency.annotations.geometry import Box
from lucency.annotations.prelabels import Prelabel, Prelabels
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ConfigError, ImageError, ImageFault
from lucency.datasets.display import display
from lucency.datasets.phantom_files import write_dicom
from lucency.datasets.phantoms import make_limbs
from lucency.datasets.prepare import Prepared, prepare, shared_uids
from lucency.datasets.radiographs import Radiograph, read_radiograph

Make = Callable[..., Prepared]


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DICOM files of two patients, one without a suffix, and files that are no images."""
    folder = tmp_path_factory.mktemp("phantoms")
    for number, phantom in enumerate(make_limbs(2, seed=0, size=64)):
        name = "IM0001" if number == 0 else f"{phantom.image_id}.dcm"
        write_dicom(phantom, folder / "study" / name, monochrome=1 if number % 2 else 2)
    (folder / "study" / "report.txt").write_text("Smith^John", encoding="utf-8")
    (folder / "study" / ".hidden.dcm").write_bytes(b"x")
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    return folder


@pytest.fixture
def made(phantoms: Path, tmp_path: Path) -> Make:
    """Prepares the phantoms, or other sources, into ``out``."""

    def make(*sources: Path, name: str = "out", **options: object) -> Prepared:
        options = {"spec": DisplaySpec(), **options}
        return prepare(sources or (phantoms,), tmp_path / name, **options)  # type: ignore[arg-type]

    return make


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_image_becomes_a_png_and_a_document(made: Make, phantoms: Path) -> None:
    prepared = made(labels=["fracture", "lesion"])
    count = len(list((phantoms / "study").glob("limb*.dcm"))) + 1
    names = sorted(path.name for path in prepared.out.iterdir())
    stems = [f"img-{number:04}" for number in range(1, count + 1)]
    assert names == sorted([f"{stem}.{end}" for stem in stems for end in ("json", "png")]
                           + ["labels.txt"])  # fmt: skip
    assert (prepared.out / "labels.txt").read_text() == "fracture\nlesion\n"
    assert prepared.passed_over == 2
    assert prepared.unreadable == ()
    document = json.loads((prepared.out / "img-0001.json").read_text())
    assert document["flags"] == {"reviewed": False}
    assert document["imagePath"] == "img-0001.png"


def test_the_pngs_are_what_the_display_function_gives(made: Make) -> None:
    prepared = made()
    for row in rows(prepared.private_map):
        with Image.open(prepared.out / row["image"]) as image:
            assert image.mode == "L"
            assert image.info == {}
            expected = display(read_radiograph(Path(row["source"])), DisplaySpec()).image
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_deep_and_ordinary_images_come_along(made: Make, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    deep = np.arange(1800, dtype=np.uint16).reshape(30, 60) * 36
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(deep).save(folder / "deep.tif")
    Image.fromarray((deep[:20] >> 8).astype(np.uint8)).save(folder / "grey.jpg")
    prepared = made(folder)
    assert [len(image.originals) for image in prepared.images].count(2) == 1
    assert {image.size_wh for image in prepared.images} == {(60, 30), (60, 20)}
    with Image.open(prepared.out / "img-0001.png") as image:
        assert image.mode == "L"


def test_the_private_map_says_whose_each_image_is(made: Make) -> None:
    prepared = made()
    assert prepared.private_map.parent == prepared.out.with_name("out-private")
    assert prepared.private_map.stat().st_mode & 0o777 == 0o600
    assert prepared.private_map.parent.stat().st_mode & 0o777 == 0o700
    for row in rows(prepared.private_map):
        dataset = pydicom.dcmread(row["source"])
        assert row["sop_instance_uid"] == dataset.SOPInstanceUID
        assert row["study_instance_uid"] == dataset.StudyInstanceUID
        assert row["patient_id"] == dataset.PatientID
        assert len(row["sha256"]) == 64


def test_nothing_that_annotators_get_names_a_patient(made: Make) -> None:
    prepared = made()
    known = rows(prepared.private_map)
    named = ("sop_instance_uid", "study_instance_uid", "patient_id", "source")
    secrets = {row[name] for row in known for name in named}
    for path in prepared.out.iterdir():
        data = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in data], path


def test_numbers_depend_on_the_images_alone(made: Make, phantoms: Path, tmp_path: Path) -> None:
    first = made()
    other = tmp_path / "renamed"
    other.mkdir()
    for number, path in enumerate(sorted((phantoms / "study").glob("limb*.dcm"), reverse=True)):
        shutil.copy(path, other / f"{number}.dcm")
    shutil.copy(phantoms / "study" / "IM0001", other / "z")
    second = made(other, name="again", workers=1)
    uids = [[row["sop_instance_uid"] for row in rows(each.private_map)] for each in (first, second)]
    assert uids[0] == uids[1]
    by_name = [row["source"] for row in rows(first.private_map)]
    assert by_name != sorted(by_name)
    for path in first.out.iterdir():
        assert path.read_bytes() == (second.out / path.name).read_bytes()


def test_names_are_kept_on_request(made: Make, tmp_path: Path) -> None:
    for folder, value in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        Image.new("L", (9, 9), value).save(tmp_path / folder / "hand 1 (ü).png")
    prepared = made(tmp_path / "a", tmp_path / "b", keep_names=True)
    assert [i.name for i in prepared.images] == ["0001-hand_1_ü_.png", "0002-hand_1_ü_.png"]


def test_one_picture_is_prepared_once(made: Make, phantoms: Path, tmp_path: Path) -> None:
    original = phantoms / "study" / "IM0001"
    shutil.copy(original, tmp_path / "copy.dcm")
    prepared = made(original, tmp_path / "copy.dcm", original)
    assert len(prepared.images) == 1
    assert len(prepared.images[0].originals) == 2
    assert {row["image"] for row in rows(prepared.private_map)} == {"img-0001.png"}
    assert shared_uids(prepared.images) == []


def test_two_pictures_of_one_uid_are_both_prepared_and_told(made: Make, tmp_path: Path) -> None:
    phantom = next(make_limbs(1, seed=0, size=64))
    write_dicom(phantom, tmp_path / "a.dcm", monochrome=2)
    other = pydicom.dcmread(tmp_path / "a.dcm")
    other.PixelData = bytes(len(other.PixelData))
    other.save_as(tmp_path / "b.dcm")
    prepared = made(tmp_path / "a.dcm", tmp_path / "b.dcm")
    assert len(prepared.images) == 2
    assert shared_uids(prepared.images) == [other.SOPInstanceUID]


@pytest.fixture
def spoilt(phantoms: Path, tmp_path: Path) -> Path:
    """One good file, one truncated, one with too few frames and one that is only named .dcm."""
    folder = tmp_path / "spoilt"
    folder.mkdir()
    good = phantoms / "study" / "IM0001"
    shutil.copy(good, folder / "good.dcm")
    (folder / "half.dcm").write_bytes(good.read_bytes()[:3000])
    (folder / "text.dcm").write_text("no image", encoding="utf-8")
    frames = pydicom.dcmread(good)
    frames.NumberOfFrames = 2
    frames.save_as(folder / "frames.dcm")
    return folder


@pytest.fixture
def film(phantoms: Path, tmp_path: Path) -> Path:
    """A file of three frames, the last like the first."""
    dataset = pydicom.dcmread(phantoms / "study" / "IM0001")
    one = dataset.pixel_array
    frames = np.stack([one, one[::-1], one])
    dataset.NumberOfFrames, dataset.PixelData = 3, frames.tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.save_as(tmp_path / "film.dcm")
    return tmp_path / "film.dcm"


def test_every_frame_becomes_an_image_of_its_own(made: Make, film: Path) -> None:
    prepared = made(film, keep_names=True)
    told = {row["frame"]: row["image"] for row in rows(prepared.private_map)}
    assert set(told) == {"1", "2", "3"}
    assert told["1"] == told["3"] != told["2"]  # one picture, two frames
    assert told["2"].endswith("-film-frame-2.png")
    for number in ("1", "2"):
        with Image.open(prepared.out / told[number]) as image:
            expected = display(read_radiograph(film, frame=int(number)), DisplaySpec()).image
            np.testing.assert_array_equal(np.asarray(image), expected)
    assert shared_uids(prepared.images) == []


def test_pages_of_a_tiff_become_images(made: Make, tmp_path: Path) -> None:
    pages = [Image.new("L", (9, 9), value) for value in (1, 2, 3)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    prepared = made(tmp_path / "pages.tif")
    assert sorted(row["frame"] for row in rows(prepared.private_map)) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "sop_class",
    ["1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.66.4",
     "1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.88.59",
     "1.2.840.10008.5.1.4.1.1.104.1"],
    ids=["SR", "SEG", "PR", "KO", "PDF"],
)  # fmt: skip
def test_objects_without_a_radiograph_are_passed_over_in_folders(
    sop_class: str, made: Make, phantoms: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = phantoms / "study" / "IM0001"
    shutil.copy(good, folder / "a.dcm")
    other = pydicom.dcmread(good)
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = sop_class
    del other.PixelData
    other.save_as(folder / "b.dcm")
    prepared = made(folder)
    assert [image.originals[0].path.name for image in prepared.images] == ["a.dcm"]
    assert (prepared.passed_over, prepared.unreadable) == (1, ())
    with pytest.raises(ImageError, match="this DICOM object has no pixels"):
        made(folder / "b.dcm", name="named")  # whoever names it wants to be told


def test_an_unreadable_image_stops_everything(made: Make, spoilt: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="unreadable-image: 3 of 4 images") as told:
        made(spoilt)
    assert "frames.dcm: is truncated: 2 frame(s)" in str(told.value)
    assert told.value.fault == ImageFault.TRUNCATED
    assert "--allow unreadable-image" in str(told.value)
    assert [path.name for path in tmp_path.iterdir()] == ["spoilt"]


def test_unreadable_images_may_be_left_out(made: Make, spoilt: Path) -> None:
    prepared = made(spoilt, allow_unreadable=True)
    assert [image.originals[0].path.name for image in prepared.images] == ["good.dcm"]
    assert len(prepared.unreadable) == 3
    assert all(str(spoilt) in line for line in prepared.unreadable)


def test_not_one_readable_image_is_an_error(made: Make, spoilt: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="1 of 1 images cannot be prepared"):
        made(spoilt / "half.dcm", allow_unreadable=True)
    assert not (tmp_path / "out").exists()


def test_sources_without_images_are_an_error(made: Make, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="there are no images in it"):
        made(tmp_path / "empty")
    with pytest.raises(ImageError, match="absent: no such file or folder"):
        made(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match=r"pipe\.png: is neither a file nor a folder"):
        made(tmp_path / "pipe.png")


@pytest.mark.parametrize("taken", ["out", "out-private"])
def test_nothing_is_overwritten(made: Make, tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).mkdir()
    (tmp_path / taken / "mine").touch()
    with pytest.raises(ConfigError, match=f"{taken}: exists already"):
        made()
    assert [path.name for path in tmp_path.iterdir()] == [taken]


def test_reduced_images_are_refused(made: Make) -> None:
    with pytest.raises(ConfigError, match="full resolution"):
        made(spec=DisplaySpec(longest_side=32))


def test_the_most_uncertain_images_come_first(made: Make) -> None:
    def propose(radiograph: Radiograph) -> Prelabels:
        share = float(radiograph.pixels.mean()) % 1
        boxes = (Prelabel("fracture", Box(1, 2, 30, 40), 0.7),) if share > 0.5 else ()
        return Prelabels("model", boxes, uncertainty=share, best_score=share / 2)

    prepared = made(prelabel=propose)
    order = rows(prepared.out / "order.csv")
    shares = [float(row["uncertainty"]) for row in order]
    assert shares == sorted(shares, reverse=True)
    assert len(set(shares)) > 1
    assert [row["rank"] for row in order] == [str(n) for n in range(1, len(order) + 1)]
    assert [row["image"] for row in order] == [image.name for image in prepared.images]
    for row in order:
        document = json.loads((prepared.out / row["image"]).with_suffix(".json").read_text())
        assert len(document["shapes"]) == int(row["boxes"]) == (float(row["uncertainty"]) > 0.5)
        assert document["lucency"]["prelabelled_by"] == "model"


def test_progress_counts_to_the_end(made: Make) -> None:
    calls: list[tuple[int, int]] = []
    made(progress=lambda done, total: calls.append((done, total)))
    total = len(calls)
    assert calls == [(done, total) for done in range(1, total + 1)]


@pytest.mark.real_data
def test_real_dicom(made: Make, lucency_data: Path) -> None:
    prepared = made(lucency_data / "dicom", allow_unreadable=True)
    # Three of the nine are one image in three compressions; one no decoder here can read.
    assert len(prepared.images) == 6
    assert sorted(len(image.originals) for image in prepared.images) == [1, 1, 1, 1, 1, 3]
    assert len(prepared.unreadable) == 1
    assert "extremity_RG3_JPLY.dcm" in prepared.unreadable[0]
