from pathlib import Path

import pydicom
import pytest

from lucency.configs.errors import DatasetError, ImageError
from lucency.datasets.dicom import Identity, read_identity
from lucency.datasets.originals import Original, private_folder, read_map, write_map
from lucency.datasets.phantom_files import write_dicom
from lucency.datasets.phantoms import make_limbs

NAMED = Original(Path("/data/a,b\n.dcm"), "ab" * 32, Identity("1.2", "1.3", 'Smith "J"'))
FRAME = Original(Path("/data/d.dcm"), "ef" * 32, Identity("1.4", "1.3", "P"), frame=12)
BARE = Original(Path("/data/c.png"), "cd" * 32, Identity())


def test_a_map_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    write_map(path, [("img-0001.png", NAMED), ("img-0001.png", BARE), ("img-0002.png", FRAME)])
    assert read_map(path) == {"img-0001.png": (NAMED, BARE), "img-0002.png": (FRAME,)}
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        write_map(path, [])


def test_a_map_of_an_earlier_version_names_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    write_map(path, [("img-0001.png", NAMED)])
    rows = path.read_text(encoding="utf-8").replace(",frame\n", "\n")
    path.write_text(rows.removesuffix(",\n") + "\n", encoding="utf-8")
    assert read_map(path) == {"img-0001.png": (NAMED,)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        (b"", "no private map"),
        (b"image,patient_id\na,b\n", "columns are missing: sop_instance_uid"),
        (b"\xff\xfe\xfa", "is not text"),
    ],
    ids=["absent", "empty", "columns", "bytes"],
)
def test_what_is_no_map_is_refused(tmp_path: Path, text: bytes | None, message: str) -> None:
    path = tmp_path / "map.csv"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(DatasetError, match=message):
        read_map(path)


def test_the_private_folder_lies_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert private_folder(Path("out/")) == tmp_path / "out-private"
    assert private_folder(Path()) == tmp_path.with_name(f"{tmp_path.name}-private")


def test_the_identity_of_a_dicom_file(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    write_dicom(next(make_limbs(1, seed=0, size=64)), path, monochrome=2)
    dataset = pydicom.dcmread(path)
    found = read_identity(path.read_bytes(), name="a.dcm")
    uids = (dataset.SOPInstanceUID, dataset.StudyInstanceUID)
    assert found == Identity(*uids, dataset.PatientID, burned_in=False)
    dataset.BurnedInAnnotation = "YES"
    del dataset.PatientID
    dataset.save_as(path)
    assert read_identity(path.read_bytes(), name="a.dcm") == Identity(*uids, "", burned_in=True)
    with pytest.raises(ImageError, match=r"^a\.dcm: "):
        read_identity(path.read_bytes()[:400], name="a.dcm")
