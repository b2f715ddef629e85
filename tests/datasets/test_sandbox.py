import gc
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.radiographs import Greyscale, Lut, Radiograph, decode_radiograph
from lucency.datasets.sandbox import Sandbox
from lucency.datasets.sandbox_answers import ToldRadiograph, read_answer, take_radiograph
from lucency.datasets.sandbox_child import describe

# Faults that only the sandbox has: decoding in this process would go on, or end it.
OWN_FAULTS = {ImageFault.TIMEOUT, ImageFault.MEMORY, ImageFault.CRASHED}


@pytest.fixture(scope="module")
def hostile(repository: Path) -> Iterator[tuple[ModuleType, ModuleType]]:
    """The hostile files of the benchmark: random damage, and one file a class."""
    folder = repository / "benchmarks"
    modules = {}
    for name in ("hostile_files", "hostile_classes"):
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        modules[name] = module
    yield modules["hostile_files"], modules["hostile_classes"]
    for name in modules:
        del sys.modules[name]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=2, timeout_s=2.0) as made:
        yield made


def same(first: Radiograph, second: Radiograph) -> bool:
    """Equal to the last bit, tables and texts included."""

    def arrays(radiograph: Radiograph) -> list[np.ndarray]:
        greyscale = radiograph.greyscale
        luts = [*([greyscale.modality_lut] if greyscale.modality_lut else []), *greyscale.voi_luts]
        return [radiograph.pixels, *(lut.values for lut in luts)]

    def rest(radiograph: Radiograph) -> str:
        blank = np.zeros((1, 1), np.uint8)
        empty = np.zeros(1, np.uint16)
        greyscale = radiograph.greyscale
        bare = replace(
            greyscale,
            modality_lut=greyscale.modality_lut and replace(greyscale.modality_lut, values=empty),
            voi_luts=tuple(replace(lut, values=empty) for lut in greyscale.voi_luts),
        )
        return repr(replace(radiograph, pixels=blank, greyscale=bare))

    pairs = zip(arrays(first), arrays(second), strict=True)
    equal = all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)
    return equal and rest(first) == rest(second)


def answer_of(decode: Callable[..., Radiograph], data: bytes) -> Radiograph | ImageError:
    try:
        return decode(data, name="a b\n.dcm".strip())
    except ImageError as error:
        return error


def agree(sandbox: Sandbox, data: bytes) -> bool:
    """Whether the sandbox answers as this process does, to the last word of an error."""
    there = answer_of(sandbox.decode, data)
    if isinstance(there, ImageError) and there.fault in OWN_FAULTS:
        return True
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # here they are errors, in the sandbox as outside they are not
        here = answer_of(decode_radiograph, data)
    if isinstance(here, Radiograph):
        return isinstance(there, Radiograph) and same(here, there)
    return isinstance(there, ImageError) and (str(here), here.fault) == (str(there), there.fault)


def test_every_format_is_answered_as_in_this_process(
    sandbox: Sandbox, hostile: tuple[ModuleType, ModuleType]
) -> None:
    for kind, data in hostile[0].good_files().items():
        if kind != "tiff-pages":
            assert isinstance(answer_of(sandbox.decode, data), Radiograph), kind
        assert agree(sandbox, data), kind


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_pictures_in_colours_are_told_as_such(sandbox: Sandbox, kind: str) -> None:
    """How many colours there are takes parts of NumPy that a limited process cannot load."""
    colours = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).save(file, kind)
    answered = sandbox.decode(file.getvalue(), name="photograph")
    assert answered.colour > 0.15
    assert same(answered, decode_radiograph(file.getvalue(), name="photograph"))


def test_tables_and_texts_come_across(
    sandbox: Sandbox,
    make_dataset: Callable[..., Dataset],
    lut_item: Callable[..., Dataset],
    save: Callable[[Dataset], bytes],
) -> None:
    dataset = make_dataset(
        np.arange(64 * 9, dtype=np.int16).reshape(64, 9) - 99,
        SpecificCharacterSet="ISO_IR 192",
        PatientID="Müller 雪",
        PixelSpacing=[0.1, 1 / 3],
        BodyPartExamined="HAND",
        PixelPaddingValue=-99,
        PixelPaddingRangeLimit=-90,
        PhotometricInterpretation="MONOCHROME1",
        RescaleSlope=1.1,
        RescaleIntercept=-1e-7,
        WindowCenter=[0.1, 7],
        WindowWidth=[2.5, 1],
        VOILUTSequence=Sequence([lut_item(-5, [3, 2, 1], 12), lut_item(0, [4], 8)]),
    )
    data = save(dataset)
    assert agree(sandbox, data)
    radiograph = sandbox.decode(data, name="x")
    assert (radiograph.patient_id, radiograph.padding) == ("Müller 雪", (-99, -90))
    assert radiograph.spacing_mm is not None
    assert len(radiograph.greyscale.voi_luts) == len(radiograph.greyscale.windows) == 2
    assert radiograph.pixels.flags.writeable


def test_frames_are_asked_for_by_number(sandbox: Sandbox, make_dicom: Callable[..., bytes]) -> None:
    frames = np.arange(3 * 8 * 8, dtype=np.uint16).reshape(3, 8, 8)
    data = make_dicom(frames)
    for number in (1, 2, 3):
        assert np.array_equal(
            sandbox.decode(data, name="x", frame=number).pixels, frames[number - 1]
        )
    with pytest.raises(ImageError, match=r"^x: has 3 frames; name one") as told:
        sandbox.decode(data, name="x")
    assert told.value.fault == ImageFault.SEVERAL_FRAMES


def test_random_damage_gives_an_image_or_a_fault(
    sandbox: Sandbox, hostile: tuple[ModuleType, ModuleType]
) -> None:
    before = set(sandbox.pids())
    for file in hostile[0].damaged_files(150, seed=1):
        assert agree(sandbox, file.data), file.what
    assert set(sandbox.pids()) == before  # none had to be ended


def class_names() -> list[str]:
    """Read from the source, since the benchmarks are no package."""
    source = Path(__file__).parents[2] / "benchmarks" / "hostile_classes.py"
    lines = source.read_text(encoding="utf-8").splitlines()
    return [
        line.strip().split('"')[1] for line in lines if line.startswith('    "') and '": (' in line
    ]


# These take two seconds, or seconds to make: the benchmark has them.
SLOW = {"tiff-50000-pages", "dicom-deflate-bomb", "png-inflates-to-1-gb", "png-79-megapixels"}


@pytest.mark.parametrize("name", [name for name in class_names() if name not in SLOW])
def test_each_hostile_class_has_its_fault(
    name: str, sandbox: Sandbox, hostile: tuple[ModuleType, ModuleType]
) -> None:
    make, wanted = hostile[1].CLASSES[name]
    answer = answer_of(sandbox.decode, make())
    found = answer.fault.value if isinstance(answer, ImageError) else None
    assert found == wanted, str(answer)


def test_all_classes_are_tested(hostile: tuple[ModuleType, ModuleType]) -> None:
    assert class_names() == list(hostile[1].CLASSES)
    assert set(hostile[1].CLASSES) >= SLOW


def test_an_image_that_takes_too_long_is_stopped_and_the_next_is_served(
    hostile: tuple[ModuleType, ModuleType],
) -> None:
    slow, good = hostile[0].scans(4000), hostile[0].good_files()["png"]
    with Sandbox(workers=1, timeout_s=0.5) as sandbox:
        sandbox.decode(good, name="x")
        (first,) = sandbox.pids()
        start = time.monotonic()
        with pytest.raises(ImageError, match=r"not be decoded within 0\.5 seconds") as told:
            sandbox.decode(slow, name="x")
        assert told.value.fault == ImageFault.TIMEOUT
        assert time.monotonic() - start < 2.0
        assert (first,) != sandbox.pids()
        assert not Path(f"/proc/{first}").exists()  # waited for: no zombie
        assert sandbox.decode(good, name="x").size_wh == (96, 96)


def test_too_much_memory_is_a_fault_of_its_own(hostile: tuple[ModuleType, ModuleType]) -> None:
    bomb, good = hostile[1].CLASSES["png-79-megapixels"][0](), hostile[0].good_files()["png"]
    with Sandbox(workers=1, timeout_s=20, memory_bytes=320 * 2**20) as sandbox:
        assert sandbox.decode(good, name="x").size_wh == (96, 96)
        for data in (bomb, bytes(161 * 2**20)):
            with pytest.raises(ImageError) as told:
                sandbox.decode(data, name="x")
            assert told.value.fault == ImageFault.MEMORY
        assert sandbox.decode(good, name="x").size_wh == (96, 96)


def test_a_process_that_has_lost_half_of_its_memory_is_replaced(
    hostile: tuple[ModuleType, ModuleType],
) -> None:
    good = hostile[0].good_files()["png"]
    with Sandbox(workers=1, timeout_s=20, memory_bytes=240 * 2**20) as sandbox:
        for _ in range(2):  # what is imported fills more than half of that
            before = sandbox.pids()
            assert sandbox.decode(good, name="x").size_wh == (96, 96)
            assert sandbox.pids() != before
            assert len(sandbox.pids()) == 1


def test_a_process_that_dies_at_work_is_a_crash_and_one_that_dies_idle_is_none(
    hostile: tuple[ModuleType, ModuleType],
) -> None:
    slow, good = hostile[0].scans(4000), hostile[0].good_files()["png"]
    with Sandbox(workers=1, timeout_s=30) as sandbox:
        sandbox.decode(good, name="x")
        timer = threading.Timer(0.3, os.kill, (sandbox.pids()[0], signal.SIGSEGV))
        timer.start()
        with pytest.raises(ImageError, match=r"^x: crashed the decoder") as told:
            sandbox.decode(slow, name="x")
        timer.join()
        assert told.value.fault == ImageFault.CRASHED
        sandbox.decode(good, name="x")
        os.kill(sandbox.pids()[0], signal.SIGKILL)
        time.sleep(0.1)
        assert sandbox.decode(good, name="x").size_wh == (96, 96)


def test_many_threads_share_few_processes(
    sandbox: Sandbox, hostile: tuple[ModuleType, ModuleType]
) -> None:
    files = list(hostile[0].good_files().values())[:6]
    expected = [decode_radiograph(data, name="x") for data in files]
    wrong: list[int] = []

    def ask(number: int) -> None:
        for _ in range(5):
            if not same(sandbox.decode(files[number], name="x"), expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(sandbox.pids()) == 2


def test_closing_ends_everything(hostile: tuple[ModuleType, ModuleType]) -> None:
    slow, good = hostile[0].scans(4000), hostile[0].good_files()["png"]
    sandbox = Sandbox(workers=2, timeout_s=30)
    sandbox.decode(good, name="x")
    pids = sandbox.pids()
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(answer_of(sandbox.decode, slow)))
    thread.start()
    time.sleep(0.3)
    sandbox.close()
    thread.join(10)
    assert isinstance(answers[0], ImageError)
    assert answers[0].fault == ImageFault.CRASHED
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    for _ in range(2):
        with pytest.raises(RuntimeError, match="is closed"):
            sandbox.decode(good, name="x")
    sandbox.close()


def test_a_sandbox_that_nobody_closed_ends_with_its_owner() -> None:
    sandbox = Sandbox(workers=1)
    (pid,) = sandbox.pids()
    del sandbox
    gc.collect()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_processes_end_when_their_parent_does(how: str) -> None:
    script = (
        "import os, sys, io\n"
        "from PIL import Image\n"
        "from lucency.datasets.sandbox import Sandbox\n"
        "sandbox = Sandbox(workers=2)\n"
        "out = io.BytesIO(); Image.new('L', (4, 4)).save(out, 'PNG')\n"
        "sandbox.decode(out.getvalue(), name='x')\n"
        "print(*sandbox.pids(), flush=True)\n"
        f"{'os.kill(os.getpid(), 9)' if how == 'kill' else ''}\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == (-9 if how == "kill" else 0), done.stderr
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "a process outlived its parent"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # one that nobody waits for has ended all the same


def test_processes_may_do_little(sandbox: Sandbox, make_dicom: Callable[..., bytes]) -> None:
    sandbox.decode(make_dicom(), name="x")
    sandbox.decode(make_dicom(), name="x")
    for pid in sandbox.pids():
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        found = {line[:26].strip(): line[26:].split()[0] for line in limits[1:]}
        assert found["Max address space"] == str(768 * 2**20)
        assert found["Max file size"] == found["Max core file size"] == "0"
        assert int(found["Max open files"]) == len([*Path(f"/proc/{pid}/fd").iterdir()])
        status = Path(f"/proc/{pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"OMP_NUM_THREADS=1" in environment
        assert b"PYTEST" not in environment
        assert os.getpgid(pid) == pid


def test_a_process_that_does_not_start_is_no_fault_of_the_image(
    monkeypatch: pytest.MonkeyPatch, make_dicom: Callable[..., bytes]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/false")
        sandbox = Sandbox(workers=1)
        with sandbox, pytest.raises(RuntimeError, match="does not start"):
            sandbox.decode(make_dicom(), name="x")


GREYSCALE = Greyscale(voi_luts=(Lut(0, np.arange(9, dtype=np.uint16), 12),))
RADIOGRAPH = Radiograph(np.zeros((2, 3), np.uint16), 12, "dicom", greyscale=GREYSCALE)


def told(**changes: Any) -> bytes:
    answer = json.loads(describe(RADIOGRAPH)[0])
    answer["radiograph"] |= changes
    return json.dumps(answer).encode()


def test_an_image_is_not_lost_to_a_process_that_dies_while_it_starts(
    hostile: tuple[ModuleType, ModuleType],
) -> None:
    good = hostile[0].good_files()["png"]
    with Sandbox(workers=1) as sandbox:
        timer = threading.Timer(0.1, os.kill, (sandbox.pids()[0], signal.SIGKILL))
        timer.start()
        assert sandbox.decode(good, name="x").kind == "png"
        timer.join()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b'{"ready": true}',
        b'{"refusal": {"message": "no name before it", "fault": "damaged"}}',
        b'{"refusal": {"message": ": two\\nlines", "fault": "damaged"}}',
        b'{"refusal": {"message": ": x", "fault": "of its own"}}',
        told(pixels=["float64", 2, 3]),
        told(pixels=["uint8", 2**31, 2**31]),
        told(pixels=["uint8", 0, 3]),
        told(pixels=["uint8", -1, -6]),
        told(bits=10**30),
        told(slope=float("nan")),
        told(tags={"PatientName": "CANARY"}),
        told(tags={"Modality": "x" * 5000}),
        told(luts=[[0, 2**40, 12]]),
        told(luts=[[2**70, 5, 12]]),
        told(luts=[[0, 65536, 12]] * 1300),
        told(slope=1e300),
        told(windows=[{"center": -1e300, "width": 1e300, "function": "LINEAR"}]),
        told(luts=[], has_modality_lut=True),
        told(windows=[{"center": 1, "width": 0, "function": "LINEAR"}]),
        told(kind="exe"),
        told(code="import os"),
    ],
    ids=lambda text: text[:60].decode(),
)
def test_answers_of_a_process_that_was_taken_over_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"fields are wrong|neither"):
        read_answer(text)


def test_an_answer_that_is_one_is_taken() -> None:
    text, arrays = describe(RADIOGRAPH)
    answer = read_answer(text)
    assert isinstance(answer, ToldRadiograph)
    waiting = b"".join(array.tobytes() for array in arrays)

    def fill(buffer: memoryview) -> None:
        nonlocal waiting
        buffer[:], waiting = waiting[: len(buffer)], waiting[len(buffer) :]

    assert same(take_radiograph(answer, fill), RADIOGRAPH)
    assert waiting == b""
    # Whoever adds a field to `Radiograph` must let it come across, too.
    assert {each.name for each in fields(Radiograph)} - {"greyscale"} <= set(
        ToldRadiograph.model_fields
    )
    assert {each.name for each in fields(Greyscale)} - {"modality_lut", "voi_luts"} <= set(
        ToldRadiograph.model_fields
    )
