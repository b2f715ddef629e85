"""Compressed frames: what they say of themselves, and that none is read which ends early."""

import base64
import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import HTJ2KLossless, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless

from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.codestreams import JPEG, JPEG_2000, JPEG_LS, read_codestream
from lucency.datasets.radiographs import decode_radiograph

NOISE = np.random.default_rng(0).integers(0, 4096, (70, 90)).astype(np.uint16)


def jpeg(width: int = 90, height: int = 70, **options: object) -> bytes:
    out = io.BytesIO()
    values = np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8)
    Image.fromarray(values).save(out, "JPEG", **options)
    return out.getvalue()


@pytest.fixture(scope="module")
def frames(make_dataset: Callable[..., Dataset]) -> dict[str, bytes]:
    made = {JPEG: jpeg()}
    for kind, syntax in ((JPEG_LS, JPEGLSLossless), (JPEG_2000, JPEG2000Lossless)):
        dataset = make_dataset(NOISE)
        dataset.compress(syntax, generate_instance_uid=False)
        made[kind] = get_frame(dataset.PixelData, 0, number_of_frames=1)
    return made


SYNTAXES = {JPEG: JPEGBaseline8Bit, JPEG_LS: JPEGLSLossless, JPEG_2000: JPEG2000Lossless}


@pytest.mark.parametrize("kind", SYNTAXES)
def test_headers(kind: str, frames: dict[str, bytes]) -> None:
    found = read_codestream(frames[kind])
    assert found is not None
    assert (found.kind, found.width, found.height) == (kind, 90, 70)
    assert (found.bits, found.components, found.signed) == (8 if kind == JPEG else 12, 1, False)
    assert frames[kind][found.end : found.end + 2] == b"\xff\xd9"


def test_colours_are_counted_and_thumbnails_passed_over() -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[270] = "x" * 300
    Image.new("RGB", (8, 16)).save(out, "JPEG", exif=exif, comment=jpeg(4, 4))
    found = read_codestream(out.getvalue())
    assert found is not None
    assert (found.width, found.height, found.components) == (8, 16, 3)


@pytest.mark.parametrize("kind", SYNTAXES)
def test_a_frame_without_its_end_has_none(kind: str, frames: dict[str, bytes]) -> None:
    whole = frames[kind].rstrip(b"\0")
    for cut in (2, 50, len(whole) // 2):
        found = read_codestream(whole[:-cut])
        assert found is not None
        assert found.end == -1


@pytest.mark.parametrize("kind", SYNTAXES)
def test_every_beginning_is_looked_at_without_an_accident(
    kind: str, frames: dict[str, bytes]
) -> None:
    found = [read_codestream(frames[kind][:length]) for length in range(200)]
    assert found[0] is None
    assert all(each is None or each.width in (0, 90) for each in found)


@pytest.mark.parametrize(
    "frame",
    [b"", b"\xff\xd8", b"\xff\xd8\xff\xda\0\x02", b"GIF89a", b"\xff\x4f\xff\x51",
     b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), b"\xff\xd8" + b"\xff\xe0\0\0" * 50],
    ids=["empty", "start", "scan-alone", "gif", "j2k-start", "jp2-empty", "no-length"],
)  # fmt: skip
def test_what_is_none(frame: bytes) -> None:
    assert read_codestream(frame) is None


def stored(
    make_dicom: Callable[..., bytes], kind: str, frame: bytes, **attributes: object
) -> bytes:
    pixels = np.zeros((70, 90), np.uint8 if kind == JPEG else np.uint16)
    return make_dicom(
        pixels, syntax=SYNTAXES[kind], compressed=[frame + bytes(len(frame) % 2)], **attributes
    )


@pytest.mark.parametrize("end", [b"", b"\xff\xd9"], ids=["cut", "cut-with-end-marker"])
@pytest.mark.parametrize("kind", SYNTAXES)
def test_a_frame_that_ends_early_is_never_half_grey(
    kind: str, end: bytes, frames: dict[str, bytes], make_dicom: Callable[..., bytes]
) -> None:
    """Decoders fill up what is missing; every cut must be refused, or have lost nothing."""
    whole = frames[kind].rstrip(b"\0")
    expected = decode_radiograph(stored(make_dicom, kind, whole), name="x").pixels
    faults = set()
    for cut in (*range(3, 40, 3), *range(60, len(whole) - 100, len(whole) // 12)):
        part = whole[:-cut].rstrip(b"\xff") + end
        try:
            pixels = decode_radiograph(stored(make_dicom, kind, part), name="x").pixels
        except ImageError as error:
            faults.add(error.fault)
        else:
            assert np.array_equal(pixels, expected), cut
    assert ImageFault.TRUNCATED in faults or (kind, end) == (JPEG_LS, b"\xff\xd9")
    # With an end marker, a cut within its header leaves no frame at all.
    assert faults <= {ImageFault.TRUNCATED, ImageFault.DAMAGED, ImageFault.HEADER}


@pytest.mark.parametrize(
    "options",
    [{}, {"quality": 5}, {"optimize": True}, {"restart_marker_blocks": 2}, {"quality": 100}],
    ids=str,
)
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (17, 31), (90, 70)], ids=str)
def test_whole_jpegs_are_not_taken_for_cut_ones(
    size: tuple[int, int], options: dict[str, object], make_dicom: Callable[..., bytes]
) -> None:
    data = jpeg(*size, **options)
    width, height = size
    dicom = make_dicom(
        np.zeros((height, width), np.uint8), syntax=JPEGBaseline8Bit,
        compressed=[data + bytes(len(data) % 2)],
    )  # fmt: skip
    pixels = decode_radiograph(dicom, name="x").pixels
    with Image.open(io.BytesIO(data)) as image:
        assert np.abs(pixels.astype(int) - np.asarray(image)).max() <= 2


def resized(frame: bytes, kind: str) -> bytes:
    """The same frame, which now says that it is 65,500 pixels wide and high."""
    if kind == JPEG_2000:
        place = frame.index(b"\xff\x51") + 6
        sides = struct.pack(">II", 65500, 65500)
        return frame[:place] + sides + frame[place + 8 :]
    place = frame.index(b"\xff\xf7" if kind == JPEG_LS else b"\xff\xc0") + 5
    return frame[:place] + struct.pack(">HH", 65500, 65500) + frame[place + 4 :]


@pytest.mark.parametrize("kind", SYNTAXES)
def test_a_frame_larger_than_the_header_says_is_not_decoded(
    kind: str, frames: dict[str, bytes], make_dicom: Callable[..., bytes]
) -> None:
    with pytest.raises(ImageError, match=r"says 90 × 70 pixels, the .* 65500 × 65500") as told:
        decode_radiograph(stored(make_dicom, kind, resized(frames[kind], kind)), name="x")
    assert told.value.fault == ImageFault.HEADER


def test_missing_tiles_are_never_black(
    frames: dict[str, bytes], make_dicom: Callable[..., bytes]
) -> None:
    """A picture of four tiles of which only the first is there."""
    frame = frames[JPEG_2000]
    place = frame.index(b"\xff\x51") + 6
    frame = frame[:place] + struct.pack(">II", 180, 140) + frame[place + 8 :]
    data = make_dicom(np.zeros((140, 180), np.uint16), syntax=JPEG2000Lossless, compressed=[frame])
    with pytest.raises(ImageError, match="end early") as told:
        decode_radiograph(data, name="x")
    assert told.value.fault == ImageFault.TRUNCATED


# 24 × 16 values of i² · 10 + j · 40, by OpenJPH 0.26: nothing that Lucency needs can write HTJ2K.
HTJ2K = (
    "|4;u>04YEK0000O0000G00000000000000O0000G0000000000009pH0sl|{2mk^A000XAQUDA90ssL31q1{@0sm"
    "Y86Cj9?kdTm&kdTm&kdTmwh=~7W02crOPjF>!N>E53R%LP^FfKASE;BCwkN^q*00000`Tzm{lfVEbq51^}bO68r6"
    "98KM0*7<}zyK1!026@i00(pcE_e9=qBH=&029Cf6~JuS{(*~h06+2l6TW}q`v7ADezpL>02MF*1=4^rnN0TDaRPM"
    "!&-3{_&+|Ob^E^Sy6Qn#r$`hnKLCO=P`~Uz1000=_2IMik0Kfn%pa2)I0FL80j^jA<`g(eBf_MNk=giE^%*@Qp%*"
    "@QpoHH{sGcz+YGcz+YbI#1n%*@Qp%*@Qp1R)cIOb{|b$OIu1giH`JLC6Fl6NF3<GC{}z2mpc*fCwQ70LS&~_3QPQ"
    "_3QQP^_Qa>jA}8y0sq+"
)


def test_high_throughput_jpeg_2000(make_dicom: Callable[..., bytes]) -> None:
    rows, columns = np.mgrid[:16, :24]
    values = (rows * rows * 10 + columns * 40).astype(np.uint16)
    frame = base64.b85decode(HTJ2K)
    data = make_dicom(
        values, syntax=HTJ2KLossless, BitsStored=16, compressed=[frame + bytes(len(frame) % 2)]
    )
    assert np.array_equal(decode_radiograph(data, name="x").pixels, values)
    for cut in (2, 10, 100):
        part = make_dicom(values, syntax=HTJ2KLossless, BitsStored=16, compressed=[frame[:-cut]])
        with pytest.raises(ImageError) as told:
            decode_radiograph(part, name="x")
        assert told.value.fault == ImageFault.TRUNCATED


def test_a_frame_of_another_kind_or_depth_is_refused(
    frames: dict[str, bytes], make_dicom: Callable[..., bytes]
) -> None:
    cases = {
        "are no JPEG 2000": stored(make_dicom, JPEG_2000, frames[JPEG]),
        "are no JPEG,": stored(make_dicom, JPEG, frames[JPEG_LS]),
        "12 bits do not fit into 8": make_dicom(
            np.zeros((70, 90), np.uint8), syntax=JPEG2000Lossless, compressed=[frames[JPEG_2000]]
        ),
    }
    for message, data in cases.items():
        with pytest.raises(ImageError, match=message) as told:
            decode_radiograph(data, name="x")
        assert told.value.fault == ImageFault.HEADER


@pytest.mark.filterwarnings("ignore")
def test_flipped_bytes_never_crash() -> None:
    path = get_testdata_file("JPEG2000.dcm", download=False)
    assert path is not None
    original = Path(path).read_bytes()
    rng = np.random.default_rng(0)
    start = original.index(b"\xff\x4f\xff\x51")
    outcomes = []
    for _ in range(25):
        data = bytearray(original)
        data[int(rng.integers(start, len(data)))] ^= 1 << int(rng.integers(8))
        try:
            outcomes.append(decode_radiograph(bytes(data), name="x").size_wh == (256, 1024))
        except ImageError as error:
            outcomes.append("\n" not in str(error))
    assert all(outcomes)
