import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ImageError
from lucency.datasets import cache as cache_module
from lucency.datasets.cache import CACHE, SquareCache
from lucency.datasets.display import display
from lucency.datasets.model_input import square_image
from lucency.datasets.radiographs import read_radiograph

SPEC = DisplaySpec(method="as_displayed")
SIDE = 32

Item = tuple[Path, str]


def write_image(path: Path, seed: int) -> Item:
    image = np.random.default_rng(seed).integers(0, 255, (50, 40)).astype(np.uint8)
    cv2.imwrite(str(path), image)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def expected(item: Item, *, side: int = SIDE) -> np.ndarray:
    return square_image(display(read_radiograph(item[0]), SPEC).image, size=side)


def entries(root: Path) -> list[Path]:
    return sorted((root / CACHE).rglob("*.npy"))


@pytest.fixture
def item(tmp_path: Path) -> Item:
    return write_image(tmp_path / "scan.png", 0)


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise AssertionError(f"{path} is decoded")

    monkeypatch.setattr(cache_module, "read_radiograph", refuse)


def test_a_second_reading_decodes_nothing(
    tmp_path: Path, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = SquareCache(tmp_path, SPEC, side=SIDE).square(*item)
    right = expected(item)
    monkeypatch.setattr(cache_module, "read_radiograph", None)
    second = SquareCache(tmp_path, SPEC, side=SIDE).square(*item)
    for found in (first, second):
        assert np.array_equal(found, right)
        assert found.dtype == np.uint8 and not found.flags.writeable
    (entry,) = entries(tmp_path)
    digest = SPEC.digest()[:12]
    assert entry == tmp_path / CACHE / f"{digest}-32" / item[1][:2] / f"{item[1]}.npy"
    assert np.array_equal(np.load(entry, mmap_mode="r"), right)


def test_another_display_or_size_is_another_entry(tmp_path: Path, item: Item) -> None:
    brighter = DisplaySpec(method="percentile", high=60.0)
    plain = SquareCache(tmp_path, SPEC, side=SIDE).square(*item)
    assert not np.array_equal(SquareCache(tmp_path, brighter, side=SIDE).square(*item), plain)
    assert SquareCache(tmp_path, SPEC, side=16).square(*item).shape == (16, 16)
    assert len(entries(tmp_path)) == 3


DAMAGE = {
    "empty": lambda data, other: b"",
    "short": lambda data, other: data[:-40],
    "longer": lambda data, other: data + b"\0",
    "one bit": lambda data, other: data[:500] + bytes([data[500] ^ 1]) + data[501:],
    "zeros": lambda data, other: bytes(len(data)),
    "of another image": lambda data, other: other,
    "no array": lambda data, other: b"not an array",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_replaced(tmp_path: Path, item: Item, damage: object) -> None:
    cache = SquareCache(tmp_path, SPEC, side=SIDE)
    cache.square(*item)
    (entry,) = entries(tmp_path)
    whole = entry.read_bytes()
    other = write_image(tmp_path / "other.png", 1)
    cache.square(*other)
    (second,) = set(entries(tmp_path)) - {entry}
    entry.write_bytes(damage(whole, second.read_bytes()))  # type: ignore[operator]
    assert np.array_equal(cache.square(*item), expected(item))
    assert entry.read_bytes() == whole


def test_filling_makes_what_is_missing_and_tells_of_it(
    tmp_path: Path, item: Item, request: pytest.FixtureRequest
) -> None:
    items = [item, write_image(tmp_path / "b.png", 1), write_image(tmp_path / "c.png", 2)]
    told: list[tuple[int, int]] = []
    cache = SquareCache(tmp_path, SPEC, side=SIDE)
    cache.square(*item)
    cache.fill(items, workers=2, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    request.getfixturevalue("no_decoding")
    cache.fill(items)
    cache.fill([])


def test_unreadable_images_are_counted_and_named(tmp_path: Path, item: Item) -> None:
    broken = []
    for number in range(4):
        path = tmp_path / f"broken{number}.png"
        path.write_bytes(item[0].read_bytes()[: 200 + number])
        broken.append((path, hashlib.sha256(path.read_bytes()).hexdigest()))
    cache = SquareCache(tmp_path, SPEC, side=SIDE)
    with pytest.raises(
        ImageError, match=r"^4 of 5 images cannot be read: .*broken0.*; and 1 more$"
    ):
        cache.fill([broken[0], item, *broken[1:]])
    assert len(entries(tmp_path)) == 1


@pytest.mark.parametrize("sha256", ["0" * 64, "", "../../etc/passwd", "a\0b"])
def test_an_image_that_is_not_the_tables_is_refused(
    tmp_path: Path, item: Item, sha256: str
) -> None:
    cache = SquareCache(tmp_path, SPEC, side=SIDE)
    with pytest.raises(ImageError, match=r"scan\.png: is not the image of the table"):
        cache.square(item[0], sha256)
    assert not entries(tmp_path)


def test_a_missing_image_is_not_needed_once_cached(tmp_path: Path, item: Item) -> None:
    cache = SquareCache(tmp_path, SPEC, side=SIDE)
    right = cache.square(*item).copy()
    item[0].unlink()
    assert np.array_equal(cache.square(*item), right)


@pytest.mark.parametrize("where", ["root", "folder"])
def test_where_nothing_can_be_written_one_warning_is_given(
    tmp_path: Path, item: Item, where: str, recwarn: pytest.WarningsRecorder
) -> None:
    # A file where a folder must be: also the superuser cannot write into it.
    folder = tmp_path / CACHE / f"{SPEC.digest()[:12]}-{SIDE}"
    blocked = tmp_path / CACHE if where == "root" else folder / item[1][:2]
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("in the way")
    cache = SquareCache(tmp_path, SPEC, side=SIDE)
    for _ in range(3):
        assert np.array_equal(cache.square(*item), expected(item))
    cache.fill([item])
    assert [str(w.message) for w in recwarn if "cannot be written" in str(w.message)] == [
        str(recwarn[0].message)
    ]
    assert "decoded again in every epoch" in str(recwarn[0].message)


def read_all(root: Path, items: list[Item], results: "multiprocessing.Queue[bool]") -> None:
    cache = SquareCache(root, SPEC, side=SIDE)
    results.put(all(np.array_equal(cache.square(*item), expected(item)) for item in items))


def test_processes_may_fill_it_at_once(tmp_path: Path) -> None:
    items = [write_image(tmp_path / f"{n}.png", n) for n in range(12)]
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[bool] = context.Queue()
    workers = [context.Process(target=read_all, args=(tmp_path, items, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=30) for _ in workers] == [True] * 3
    for worker in workers:
        worker.join()
    assert len(entries(tmp_path)) == 12
    assert not list((tmp_path / CACHE).rglob(".*"))


FILL = """
import sys
from pathlib import Path
from lucency.configs.display import DisplaySpec
from lucency.datasets import cache
root = Path(sys.argv[1])
items = [tuple(line.split("\\t")) for line in (root / "items.tsv").read_text().splitlines()]
filling = cache.SquareCache(root, DisplaySpec(method="as_displayed"), side=32)
print("ready", flush=True)
filling.fill([(Path(path), sha256) for path, sha256 in items])
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_cache_that_is_right(tmp_path: Path) -> None:
    items = [write_image(tmp_path / f"{n}.png", n) for n in range(150)]
    lines = [f"{path}\t{sha256}" for path, sha256 in items]
    (tmp_path / "items.tsv").write_text("\n".join(lines))
    for delay in (0.0, 0.01, 0.03, 0.06):
        process = subprocess.Popen(
            [sys.executable, "-c", FILL, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for entry in entries(tmp_path):
            assert np.load(entry).shape == (SIDE, SIDE)
    cache = SquareCache(tmp_path, SPEC, side=SIDE)
    for item in items:
        assert np.array_equal(cache.square(*item), expected(item))


def test_a_set_with_a_cache_is_listed_as_without(tmp_path: Path, item: Item) -> None:
    from lucency.annotations.images import list_images
    from lucency.annotations.sources import Source

    before = list_images(tmp_path), list(Source(tmp_path).files(".txt", ".json"))
    SquareCache(tmp_path, SPEC, side=SIDE).square(*item)
    assert (list_images(tmp_path), list(Source(tmp_path).files(".txt", ".json"))) == before
