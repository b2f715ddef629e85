import io
import shutil
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ImageError
from lucency.datasets.dicom import read_patient_id
from lucency.datasets.display import display
from lucency.datasets.radiographs import decode_radiograph, read_radiograph

RAMP = np.arange(32 * 40, dtype=np.uint16).reshape(32, 40) * 3
AS_DISPLAYED = DisplaySpec()
PERCENTILE = DisplaySpec(method="percentile")


def radiograph_dataset(pixels: np.ndarray = RAMP, **attributes: object) -> Dataset:
    """A small DX object; ``attributes`` replace its own, None removes one."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid()
    dataset.PatientID = " P1 "
    dataset.PatientName = "CANARY^X"
    dataset.Modality = "DX"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = 12 if dataset.BitsAllocated == 16 else dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for name, value in attributes.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dataset["PixelData"].VR = "OW"
    return dataset


def saved(dataset: Dataset) -> bytes:
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def lut_item(first: int, values: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values) % 65536, first % 65536, bits])
    item.add_new("LUTData", "US", values)
    item.add_new("LUTExplanation", "LO", "test")
    item.add_new("ModalityLUTType", "LO", "US")
    return item


def test_pixels_and_what_is_known_of_them() -> None:
    radiograph = decode_radiograph(
        saved(radiograph_dataset(BodyPartExamined="HAND", PixelSpacing=[0.2, 0.1])), name="x"
    )
    assert np.array_equal(radiograph.pixels, RAMP)
    assert (radiograph.bits, radiograph.kind) == (12, "dicom")
    assert radiograph.spacing_mm == (0.2, 0.1)
    assert radiograph.patient_id == "P1"
    assert radiograph.tags["BodyPartExamined"] == "HAND"
    assert "CANARY" not in repr(radiograph)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"ImagerPixelSpacing": [0.1, 0.1]}, (0.1, 0.1)),
        ({"PixelSpacing": [0, 0]}, None),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.1, 0.1]}, (0.1, 0.1)),
        ({}, None),
    ],
    ids=["at-detector", "zero", "zero-then-detector", "absent"],
)
def test_spacing(attributes: dict[str, object], expected: tuple[float, float] | None) -> None:
    data = saved(radiograph_dataset(**attributes))
    assert decode_radiograph(data, name="x").spacing_mm == expected


@pytest.mark.parametrize("sign", ["unsigned", "signed"])
def test_bits_above_bits_stored_are_dropped(sign: str) -> None:
    clean = RAMP if sign == "unsigned" else RAMP.astype(np.int16) - 2000
    overlay = (clean.view(np.uint16) & 0x0FFF) | 0x5000
    data = saved(radiograph_dataset(overlay.view(clean.dtype)))
    radiograph = decode_radiograph(data, name="x")
    assert np.array_equal(radiograph.pixels, clean)
    assert radiograph.pixels.dtype == clean.dtype


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32], ids=lambda d: d.__name__)
def test_other_depths(dtype: type) -> None:
    pixels = (RAMP % 200).astype(dtype)
    radiograph = decode_radiograph(saved(radiograph_dataset(pixels)), name="x")
    assert np.array_equal(radiograph.pixels, pixels)


@pytest.mark.parametrize("spec", [AS_DISPLAYED, PERCENTILE], ids=lambda spec: spec.method)
def test_monochrome1_and_2_of_one_scene_look_alike(spec: DisplaySpec) -> None:
    straight = saved(radiograph_dataset())
    inverse = saved(radiograph_dataset(4095 - RAMP, PhotometricInterpretation="MONOCHROME1"))
    images = [
        display(decode_radiograph(data, name="x"), spec).image for data in (straight, inverse)
    ]
    assert np.abs(images[0].astype(int) - images[1]).max() <= 1


def test_a_16_bit_png_and_a_12_bit_dicom_of_one_scene_are_equal_under_percentile() -> None:
    png = io.BytesIO()
    Image.fromarray(RAMP).save(png, "PNG")
    window = {"WindowCenter": 100, "WindowWidth": 50, "RescaleSlope": 1, "RescaleIntercept": -1024}
    dicom = saved(radiograph_dataset(**window))
    images = [
        display(decode_radiograph(data, name="x"), PERCENTILE).image
        for data in (png.getvalue(), dicom)
    ]
    assert np.array_equal(images[0], images[1])
    assert images[0].max() == 255


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"WindowCenter": [600, 9], "WindowWidth": [400, 9]}, (600.0, 400.0, "LINEAR")),
        (
            {"WindowCenter": 600, "WindowWidth": 0.5, "VOILUTFunction": "SIGMOID"},
            (600.0, 0.5, "SIGMOID"),
        ),
        ({"WindowCenter": 600, "WindowWidth": 0}, None),
        ({"WindowCenter": 600, "WindowWidth": 0.5}, None),
        ({"WindowCenter": 600}, None),
        ({"WindowCenter": "", "WindowWidth": ""}, None),
    ],
    ids=["first-of-two", "sigmoid", "zero-width", "too-narrow", "no-width", "empty"],
)
def test_windows(attributes: dict[str, object], expected: tuple[float, float, str] | None) -> None:
    window = decode_radiograph(saved(radiograph_dataset(**attributes)), name="x").greyscale.window
    found = (window.center, window.width, window.function) if window else None
    assert found == expected


def test_look_up_tables() -> None:
    modality = lut_item(0, list(range(0, 8192, 2)), 16)
    voi = lut_item(4, [1, 2, 4095], 12)
    data = saved(
        radiograph_dataset(ModalityLUTSequence=Sequence([modality]), VOILUTSequence=Sequence([voi]))
    )
    greyscale = decode_radiograph(data, name="x").greyscale
    assert greyscale.modality_lut is not None
    assert greyscale.voi_lut is not None
    assert (greyscale.modality_lut.first, len(greyscale.modality_lut.values)) == (0, 4096)
    assert (greyscale.voi_lut.first, greyscale.voi_lut.bits) == (4, 12)
    assert greyscale.voi_lut.values.tolist() == [1, 2, 4095]


def test_a_table_for_signed_pixels_may_begin_below_zero() -> None:
    pixels = RAMP.astype(np.int16) - 1000
    data = saved(
        radiograph_dataset(pixels, VOILUTSequence=Sequence([lut_item(-1000, [0, 255], 8)]))
    )
    radiograph = decode_radiograph(data, name="x")
    assert radiograph.greyscale.voi_lut is not None
    assert radiograph.greyscale.voi_lut.first == -1000
    assert display(radiograph, AS_DISPLAYED).image.ravel()[:2].tolist() == [0, 255]


def test_a_table_that_is_too_short_is_refused() -> None:
    item = lut_item(0, [1, 2, 3], 8)
    item.LUTDescriptor = [300, 0, 8]
    data = saved(radiograph_dataset(VOILUTSequence=Sequence([item])))
    with pytest.raises(ImageError, match="a look-up table has 3 entries, not 300"):
        decode_radiograph(data, name="x")


def colour() -> bytes:
    dataset = radiograph_dataset(np.zeros((4, 12), np.uint8))
    dataset.SamplesPerPixel, dataset.Columns, dataset.PlanarConfiguration = 3, 4, 0
    dataset.PhotometricInterpretation = "RGB"
    return saved(dataset)


def deflated() -> bytes:
    dataset = radiograph_dataset()
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return saved(dataset)


def deflate_bomb() -> bytes:
    head = deflated()
    body = zlib.compressobj(9, wbits=-15)
    return head[:400] + body.compress(bytes(50_000_000)) + body.flush()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (saved(radiograph_dataset(NumberOfFrames=2, PixelData=RAMP.tobytes() * 2)), "2 frames"),
        (colour(), "found 'RGB'"),
        (deflated(), "Deflated transfer syntax"),
        (deflate_bomb(), "Deflated transfer syntax"),
        (saved(radiograph_dataset(Rows=0)), "no pixels"),
        (saved(radiograph_dataset(Rows=65535, Columns=65535)), "the limit is 80 megapixels"),
        (saved(radiograph_dataset(PixelData=RAMP.tobytes()[:100])), "cannot be decoded"),
        (saved(radiograph_dataset(BitsStored=17)), "17 bits stored of 16"),
        (saved(radiograph_dataset(HighBit=15)), "HighBit"),
        (saved(radiograph_dataset(RescaleSlope=0, RescaleIntercept=0)), "RescaleSlope"),
        (saved(radiograph_dataset(BitsStored=None)), "is damaged"),
        (saved(radiograph_dataset())[:200], ""),
        (bytes(128) + b"DICM", ""),
        (bytes(128) + b"DICM" + b"\xff" * 300, ""),
    ],
    ids=[
        "frames",
        "colour",
        "deflated",
        "deflate-bomb",
        "zero-rows",
        "too-large",
        "pixels-truncated",
        "bits-stored",
        "high-bit",
        "slope-zero",
        "no-bits-stored",
        "header-truncated",
        "only-magic",
        "rubbish",
    ],
)
def test_refuses_in_one_line(data: bytes, message: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode_radiograph(data, name="scan.dcm")
    text = str(caught.value)
    assert text.startswith("scan.dcm: ")
    assert message in text
    assert "\n" not in text
    assert "CANARY" not in text


def test_an_object_without_pixels_is_refused() -> None:
    dataset = radiograph_dataset()
    del dataset.PixelData
    with pytest.raises(ImageError, match="has no pixels"):
        decode_radiograph(saved(dataset), name="x")


@pytest.mark.parametrize("seed", range(2))
def test_damaged_bytes_give_an_image_or_an_image_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    original = saved(radiograph_dataset(WindowCenter=600, WindowWidth=400))
    one_line = []
    for _ in range(150):
        data = bytearray(original)
        for place in rng.integers(132, len(data) - RAMP.nbytes, size=int(rng.integers(1, 6))):
            data[int(place)] = int(rng.integers(256))
        try:
            one_line.append(decode_radiograph(bytes(data), name="x").pixels.ndim == 2)
        except ImageError as error:
            one_line.append("\n" not in str(error))
    assert all(one_line)


def test_patient_id_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(saved(radiograph_dataset()))
    assert read_patient_id(path) == "P1"
    path.write_bytes(saved(radiograph_dataset(PatientID=None)))
    assert read_patient_id(path) == ""
    with pytest.raises(ImageError, match="No such file"):
        read_patient_id(tmp_path / "b")


REAL = [
    "CR-ModalitySequenceLUT",
    "chest_RG1_JLSN",
    "dx_image",
    "extremity_RG3_J2KR",
    "extremity_RG3_JLSL",
    "extremity_RG3_JPLL",
    "gdcm-CR-MONO1-10-chest",
    "rsna_chest_jpegbaseline",
]


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_agrees_with_dcmtk(name: str, lucency_data: Path, tmp_path: Path) -> None:
    tool = "dcml2pnm" if "JLS" in name else "dcmj2pnm"
    if shutil.which(tool) is None:
        pytest.skip(f"DCMTK's {tool} is not installed")
    radiograph = read_radiograph(lucency_data / "dicom" / f"{name}.dcm")
    options: list[str] = []
    if radiograph.greyscale.window is not None:
        options = ["+Wi", "1"]
    elif radiograph.bits > 8:
        options = ["+Wm"]  # whole range of the pixels
    # DCMTK reads no JPEG 2000; the same image lies beside it in JPEG Lossless.
    source = lucency_data / "dicom" / f"{name.replace('J2KR', 'JPLL')}.dcm"
    target = tmp_path / "image.pgm"
    subprocess.run([tool, *options, str(source), str(target)], check=True, capture_output=True)
    with Image.open(target) as image:
        expected = np.asarray(image).astype(int)
    found = display(radiograph, AS_DISPLAYED).image
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1.1
    assert found.std() > 10


@pytest.mark.real_data
def test_jpeg_extended_is_refused(lucency_data: Path) -> None:
    with pytest.raises(ImageError, match=r"JPEG Extended \(Process 2 and 4\)\) are damaged or"):
        read_radiograph(lucency_data / "dicom" / "extremity_RG3_JPLY.dcm")


@pytest.mark.real_data
def test_lossless_syntaxes_of_one_image_are_equal(lucency_data: Path) -> None:
    pixels = [
        read_radiograph(lucency_data / "dicom" / f"extremity_RG3_{kind}.dcm").pixels
        for kind in ("J2KR", "JLSL", "JPLL")
    ]
    assert np.array_equal(pixels[0], pixels[1])
    assert np.array_equal(pixels[0], pixels[2])
    dataset = dcmread(lucency_data / "dicom" / "extremity_RG3_JPLL.dcm", stop_before_pixels=True)
    assert pixels[0].shape == (dataset.Rows, dataset.Columns)
