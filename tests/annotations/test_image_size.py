import hashlib
import io
import os
import struct
from pathlib import Path

import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lucency.annotations.images import look_at, look_at_bytes
from lucency.configs.errors import ImageError

SIZE = (37, 23)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height as conversion sees them."""
    return look_at(str(path)).size_wh


def encoded(kind: str, mode: str = "L", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(SIZE, 50).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def turned(kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(kind, exif=exif)


def dicom(syntax: str, *, implicit: bool, little: bool) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    meta.MediaStorageSOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3")
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"II*\0".ljust(128, b"\0"))
    dataset.PatientID = "p1"
    item = pydicom.Dataset()
    item.Rows, item.Columns = 1, 1  # must not be taken for the image's own
    dataset.ReferencedImageSequence = Sequence([item])
    dataset["ReferencedImageSequence"].is_undefined_length = True
    dataset.Columns, dataset.Rows = SIZE
    dataset.BitsAllocated = 16
    dataset.PixelData = bytes(SIZE[0] * SIZE[1] * 2)
    dataset["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, implicit_vr=implicit, little_endian=little)
    return buffer.getvalue()


FILES = {
    "png": encoded("PNG"),
    "png of 16 bits": encoded("PNG", "I;16"),
    "jpeg": encoded("JPEG"),
    "progressive jpeg": encoded("JPEG", progressive=True),
    "tiff": encoded("TIFF"),
    "tiff of 16 bits": encoded("TIFF", "I;16"),
    "compressed tiff": encoded("TIFF", compression="tiff_lzw"),
    "explicit dicom": dicom(ExplicitVRLittleEndian, implicit=False, little=True),
    "implicit dicom": dicom(ImplicitVRLittleEndian, implicit=True, little=True),
    "big endian dicom": dicom(ExplicitVRBigEndian, implicit=False, little=False),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scan"


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_size_of_each_format(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert image_size(path) == SIZE


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_truncated_files_are_noticed(path: Path, data: bytes) -> None:
    for length in (0, 3, 20, len(data) // 2, len(data) - 20):
        path.write_bytes(data[:length])
        with pytest.raises(ImageError, match=r"^is ") as caught:
            image_size(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_is_that_after_exif(path: Path, kind: str, orientation: int) -> None:
    path.write_bytes(turned(kind, orientation))
    assert image_size(path) == (SIZE if orientation < 5 else SIZE[::-1])


def test_bytes_after_the_end_do_no_harm(path: Path) -> None:
    path.write_bytes(encoded("JPEG") + bytes(10_000))
    assert image_size(path) == SIZE


def test_a_thumbnails_end_is_not_the_images(path: Path) -> None:
    thumbnail = b"\xff\xe2" + struct.pack(">H", 6) + b"\xff\xd9\xff\xd9"
    data = encoded("JPEG")
    path.write_bytes(data[:2] + thumbnail + data[2:-2])
    with pytest.raises(ImageError, match="truncated JPEG"):
        image_size(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GIF89a" + bytes(200), "is no PNG, JPEG, TIFF or DICOM image"),
        (b"\xff\xd8\xff" + b"\x00\xff" * 100_000, "damaged JPEG"),
        (b"\xff\xd8\xff\xd9", "has no pixels"),
        (b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 9, b"IDAT") + bytes(30), "IHDR"),
        (b"II*\0" + struct.pack("<IH", 8, 0) + bytes(9), "has no size"),
        (b"II*\0" + struct.pack("<IHHHII", 8, 1, 273, 4, 2**31, 0), "values"),
        (bytes(128) + b"DICM" + b"\x08\x00\x16\x00??" + bytes(90), "DICOM"),
        (bytes(128) + b"DICM" + b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" * 90, "nested too"),
    ],
    ids=["gif", "rubbish", "no scan", "no ihdr", "no size", "huge field", "no vr", "deep"],
)
def test_damaged_files_are_one_clear_line(path: Path, data: bytes, message: str) -> None:
    path.write_bytes(data)
    with pytest.raises(ImageError, match=message):
        image_size(path)


def test_a_missing_file(path: Path) -> None:
    with pytest.raises(ImageError, match="is not a file"):
        image_size(path)


def test_a_folder_and_a_pipe_are_no_images(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ImageError, match="is not a file"):
            image_size(path)


def test_the_digest_is_that_of_the_file(path: Path) -> None:
    path.write_bytes(FILES["png"])
    image = look_at(str(path))
    inside = look_at_bytes(FILES["png"], "a.json")
    assert image.sha256 == inside.sha256 == hashlib.sha256(FILES["png"]).hexdigest()
    assert (image.data, inside.data) == (None, FILES["png"])


def loads(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True


@pytest.mark.real_data
@pytest.mark.parametrize("folder", ["Fractured", "Non_fractured"])
def test_real_jpegs_as_pillow_sees_them(lucency_data: Path, folder: str) -> None:
    """FracAtlas has truncated JPEGs, JPEGs with bytes after their end, and one turned by EXIF."""
    refused = 0
    paths = sorted((lucency_data / "fracatlas/images" / folder).glob("*.jpg"))
    for path in paths:
        with Image.open(path) as image:
            orientation = image.getexif().get(0x0112, 1)
            expected = image.size if orientation < 5 else image.size[::-1]
        try:
            assert image_size(path) == expected, path.name
        except ImageError:
            refused += 1
            assert not loads(path), path.name
    assert refused == {"Fractured": 0, "Non_fractured": 16}[folder]
    assert len(paths) == {"Fractured": 656, "Non_fractured": 912}[folder]


@pytest.mark.real_data
def test_real_dicom_as_pydicom_sees_it(lucency_data: Path) -> None:
    paths = sorted((lucency_data / "dicom").glob("*.dcm"))
    assert len(paths) == 9
    for path in paths:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        assert image_size(path) == (header.Columns, header.Rows), path.name


def test_long_values_of_other_tags_do_no_harm(path: Path) -> None:
    """A TIFF may carry a megabyte of a program's own bytes."""
    picture, buffer = Image.new("L", SIZE), io.BytesIO()
    picture.save(buffer, "TIFF", tiffinfo={700: bytes(1_500_000)})
    path.write_bytes(buffer.getvalue())
    assert image_size(path) == SIZE
