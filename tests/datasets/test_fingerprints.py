import hashlib
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.datasets import fingerprints as module
from lucency.datasets.fingerprints import FINGERPRINTS_CSV, fingerprints
from lucency.datasets.perceptual_hash import perceptual_hash


def made(root: Path, count: int = 3) -> Dataset:
    records = []
    (root / "images").mkdir()
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 255, (60, 60), dtype=np.uint8)
        path = root / "images" / f"{number}.png"
        Image.fromarray(noise).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        image = PurePosixPath("images", path.name)
        records.append(ImageRecord(image, "unsplit", "", Status.NEGATIVE, 60, 60, digest, "s"))
    return Dataset(root, LabelMap(("spot",)), tuple(records))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were decoded."""
    seen: list[str] = []

    def look(path: Path) -> np.ndarray:
        seen.append(path.name)
        return perceptual_hash(path)

    monkeypatch.setattr(module, "perceptual_hash", look)
    return seen


def test_nothing_is_decoded_twice(tmp_path: Path, decoded: list[str]) -> None:
    dataset = made(tmp_path)
    first, _ = fingerprints(dataset)
    written = (tmp_path / FINGERPRINTS_CSV).read_bytes()
    again, unreadable = fingerprints(dataset)
    assert sorted(decoded) == ["0.png", "1.png", "2.png"]
    assert not unreadable
    assert first.keys() == again.keys() == {record.sha256 for record in dataset.records}
    assert all(np.array_equal(first[digest], again[digest]) for digest in first)
    assert (tmp_path / FINGERPRINTS_CSV).read_bytes() == written
    assert written.count(b"\n") == 4


def test_only_what_is_new_is_decoded_and_what_is_gone_forgotten(
    tmp_path: Path, decoded: list[str]
) -> None:
    dataset = made(tmp_path)
    fingerprints(replace(dataset, records=dataset.records[:2]))
    fingerprints(replace(dataset, records=dataset.records[1:]))
    assert sorted(decoded) == ["0.png", "1.png", "2.png"]
    assert dataset.records[0].sha256 not in (tmp_path / FINGERPRINTS_CSV).read_text()


@pytest.mark.parametrize(
    ("damage", "again"),
    [
        (lambda text: "", 3),
        (lambda text: text.replace("thumbnail_1", "thumbnail_0"), 3),
        (lambda text: text[: len(text) // 2], 2),
        (lambda text: text.replace("\n", ",more\n", 2).replace(",more", "", 1), 1),
        (lambda text: "\n".join([*text.splitlines()[:3], "x,!!"]), 1),
        (lambda text: "\0" + text, 3),
        (lambda text: "\N{EURO SIGN}" + text, 3),
    ],
    ids=["empty", "other-version", "half", "more-fields", "no-base64", "null-byte", "no-ascii"],
)
def test_what_is_damaged_is_made_anew(
    tmp_path: Path, decoded: list[str], damage: object, again: int
) -> None:
    dataset = made(tmp_path)
    fingerprints(dataset)
    path = tmp_path / FINGERPRINTS_CSV
    good = path.read_bytes()
    path.write_text(damage(good.decode()), encoding="utf-8")  # type: ignore[operator]
    decoded.clear()
    fingerprints(dataset)
    assert len(decoded) == again
    assert path.read_bytes() == good


def test_a_folder_that_may_only_be_read_is_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.atomic, "write_text", refuse)
    known, _ = fingerprints(made(tmp_path))
    assert len(known) == 3
    assert not (tmp_path / FINGERPRINTS_CSV).exists()


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    dataset = made(tmp_path)
    dataset.image_path(dataset.records[1]).unlink()
    known, unreadable = fingerprints(dataset)
    assert len(known) == 2
    assert list(unreadable) == ["images/1.png"]
