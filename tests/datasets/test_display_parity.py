"""The display function beside DCMTK's: at most 1.1 of 255 grey levels apart, on every pixel.

Where DCMTK is not installed, its grey levels at 8 × 8 places of every image stand in
``dcmtk_levels.json``; where it is, they are compared with what it says.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, JPEGLSLossless, RLELossless

from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display
from lucency.datasets.radiographs import decode_radiograph, frame_count

LEVELS = Path(__file__).with_name("dcmtk_levels.json")
PINNED: dict[str, list[int]] = json.loads(LEVELS.read_text()) if LEVELS.is_file() else {}
MOST_APART = 1.1
RAMP = np.arange(32 * 40, dtype=np.uint16).reshape(32, 40) * 3


def grid(image: np.ndarray) -> np.ndarray:
    """The grey levels at 8 × 8 places, evenly spread."""
    rows, columns = (np.linspace(0, side - 1, 8).astype(int) for side in image.shape)
    return image[np.ix_(rows, columns)].astype(int)


def by_dcmtk(data: bytes, options: list[str], folder: Path, *, tool: str) -> np.ndarray | None:
    """The whole image as DCMTK shows it, or None where it is not installed."""
    if shutil.which(tool) is None:
        return None
    source, target = folder / "image.dcm", folder / "image.pgm"
    source.write_bytes(data)
    subprocess.run([tool, *options, str(source), str(target)], check=True, capture_output=True)
    with Image.open(target) as image:
        return np.asarray(image).astype(int)


def check(
    case: str, data: bytes, options: list[str], folder: Path, *, view: int = 0, frame: int = 1,
    tool: str = "dcmj2pnm", source: bytes | None = None,
) -> None:  # fmt: skip
    """Compare one image with DCMTK's, and DCMTK's with what is pinned of it."""
    radiograph = decode_radiograph(data, name=case, frame=frame)
    found = display(radiograph, DisplaySpec(view=view)).image.astype(int)
    expected = by_dcmtk(source or data, [*options, "+F", str(frame)], folder, tool=tool)
    if expected is not None:
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= MOST_APART
        if os.environ.get("LUCENCY_PIN_DCMTK"):
            PINNED[case] = grid(expected).ravel().tolist()
            LEVELS.write_text(
                "{\n" + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in sorted(PINNED.items()))
                + "\n}\n"
            )  # fmt: skip
        assert grid(expected).ravel().tolist() == PINNED[case]
    assert np.abs(grid(found).ravel() - PINNED[case]).max() <= MOST_APART
    assert found.std() > 10


WINDOWS = {"WindowCenter": [1900, 900, 3000], "WindowWidth": [3800, 600, 1]}
CASES: dict[str, tuple[dict[str, Any], list[str], int]] = {
    "first-window": (WINDOWS, ["+Wi", "1"], 0),
    "second-window": (WINDOWS, ["+Wi", "2"], 1),
    "narrowest-window": (WINDOWS, ["+Wi", "3"], 2),
    "no-such-window": (WINDOWS, ["+Wi", "1"], 7),
    "monochrome1": (WINDOWS | {"PhotometricInterpretation": "MONOCHROME1"}, ["+Wi", "2"], 1),
    "whole-range": ({}, ["+Wm"], 0),
    "rescaled": (
        {"RescaleSlope": 2.5, "RescaleIntercept": -1024, "WindowCenter": 3000, "WindowWidth": 4000},
        ["+Wi", "1"], 0,
    ),
    "signed": ({"pixels": RAMP.astype(np.int16) - 2000, "WindowCenter": -40, "WindowWidth": 2001},
               ["+Wi", "1"], 0),
    "signed-rescaled": (
        {"pixels": RAMP.astype(np.int16) - 2000, "WindowCenter": -400, "WindowWidth": 900,
         "RescaleSlope": 0.5, "RescaleIntercept": 100}, ["+Wi", "1"], 0),
    "masked-bits": (WINDOWS | {"pixels": RAMP | 0xA000}, ["+Wi", "1"], 0),
    "masked-bits-signed": (
        {"pixels": (((RAMP.astype(np.int16) - 2000) & 0xFFF) | 0x5000).astype(np.int16),
         "WindowCenter": -40, "WindowWidth": 2001}, ["+Wi", "1"], 0),
    "six-of-eight-bits": (
        {"pixels": (RAMP // 60).astype(np.uint8) | 0xC0, "BitsStored": 6, "WindowCenter": 30,
         "WindowWidth": 50}, ["+Wi", "1"], 0),
    "thirty-two-bits": (
        {"pixels": RAMP.astype(np.uint32) * 1000, "WindowCenter": 1.9e6, "WindowWidth": 3.8e6},
        ["+Wi", "1"], 0),
    "big-endian": (WINDOWS | {"syntax": ExplicitVRBigEndian}, ["+Wi", "1"], 0),
    "second-frame": (WINDOWS | {"pixels": np.stack([RAMP, RAMP[::-1], RAMP // 2])},
                     ["+Wi", "1"], 0),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_made_files(case: str, make_dicom: Callable[..., bytes], tmp_path: Path) -> None:
    attributes, options, view = CASES[case]
    data = make_dicom(**{"pixels": RAMP, **attributes})
    check(case, data, options, tmp_path, view=view, frame=2 if case == "second-frame" else 1)


def with_luts(make_dataset: Callable[..., Dataset], lut_item: Callable[..., Dataset]) -> Dataset:
    """A Modality LUT that is not straight, two VOI LUTs and two windows."""
    squares = [value * value >> 12 for value in range(4096)]
    turned = [4095 - value for value in range(4096)]
    steps = [(value // 512) * 585 for value in range(4096)]
    return make_dataset(
        ModalityLUTSequence=Sequence([lut_item(0, squares, 12)]),
        VOILUTSequence=Sequence([lut_item(0, turned, 12), lut_item(0, steps, 12)]),
        WindowCenter=[600, 2000],
        WindowWidth=[900, 3000],
    )


@pytest.mark.parametrize(
    ("options", "view"),
    [(["+Wl", "1"], 0), (["+Wl", "2"], 1), (["+Wi", "1"], 2), (["+Wi", "2"], 3)],
    ids=["first-lut", "second-lut", "first-window", "second-window"],
)
def test_look_up_tables_come_before_windows(
    options: list[str],
    view: int,
    make_dataset: Callable[..., Dataset],
    lut_item: Callable[..., Dataset],
    save: Callable[[Dataset], bytes],
    tmp_path: Path,
) -> None:
    data = save(with_luts(make_dataset, lut_item))
    check(f"luts-{view}", data, options, tmp_path, view=view)


@pytest.mark.parametrize(
    ("syntax", "tool"),
    [(RLELossless, "dcmj2pnm"), (JPEGLSLossless, "dcml2pnm")],
    ids=["rle", "jpeg-ls"],
)
def test_compressed_files(
    syntax: str, tool: str, make_dataset: Callable[..., Dataset], save: Callable[..., bytes],
    tmp_path: Path,
) -> None:  # fmt: skip
    dataset = make_dataset(**WINDOWS)
    dataset.compress(syntax, generate_instance_uid=False)
    check(f"compressed-{syntax.rpartition('.')[2]}", save(dataset), ["+Wi", "1"], tmp_path,
          tool=tool)  # fmt: skip


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
def test_real_files(name: str, lucency_data: Path, tmp_path: Path) -> None:
    path = lucency_data / "dicom" / f"{name}.dcm"
    radiograph = decode_radiograph(path.read_bytes(), name=name)
    options: list[str] = []
    if radiograph.greyscale.windows:
        options = ["+Wi", "1"]
    elif radiograph.bits > 8:
        options = ["+Wm"]  # whole range of the pixels
    # DCMTK reads no JPEG 2000; the same image lies beside it in JPEG Lossless.
    same = path.with_name(f"{name.replace('J2KR', 'JPLL')}.dcm").read_bytes()
    tool = "dcml2pnm" if "JLS" in name else "dcmj2pnm"
    check(name, path.read_bytes(), options, tmp_path, tool=tool, source=same)


@pytest.mark.real_data
def test_no_real_file_is_left_out(lucency_data: Path) -> None:
    names = {path.stem for path in (lucency_data / "dicom").glob("*.dcm")}
    # The last is the one that no decoder here can read; its refusal is tested with the others.
    assert names == {*REAL, "extremity_RG3_JPLY"}
    data = (lucency_data / "dicom" / "dx_image.dcm").read_bytes()
    assert frame_count(data, name="x") == 1
