import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from lucency.annotations.prelabels import Review, new_document, read_reviews
from lucency.annotations.sources import Source
from lucency.datasets.digest_links import link_by_digest

IMAGE = b"\x89PNG\r\n\x1a\n and pixels"
NAME = f"{hashlib.sha256(IMAGE).hexdigest()}.png"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kept" / "ward").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    return tmp_path


def review(folder: Path, image: str = NAME, **ours: Any) -> Review:
    document = new_document(image, (8, 8)) | ({"lucency": {"proposed": [], **ours}} if ours else {})
    (folder / "kept" / "ward" / "a.json").write_text(json.dumps(document), encoding="utf-8")
    return read_reviews(Source(folder / "kept"))[0][0]


def linked(folder: Path, each: Review) -> dict[str, bytes]:
    gathered = folder / "gathered"
    link_by_digest([each], folder / "kept", folder / "mine", gathered)
    return {
        str(path.relative_to(gathered)): path.read_bytes()
        for path in gathered.rglob("*")
        if path.is_file()
    }


def test_found_by_its_bytes_under_another_name(folder: Path) -> None:
    (folder / "mine" / "other.png").write_bytes(IMAGE + b"!")
    (folder / "mine" / "without suffix").write_bytes(IMAGE)
    each = review(folder, sha256=NAME[:-4])
    assert linked(folder, each) == {f"ward/{NAME}": IMAGE}


def test_the_stored_one_goes_first(folder: Path) -> None:
    (folder / "mine" / "copy.png").write_bytes(IMAGE)
    (folder / "kept" / "ward" / NAME).write_bytes(b"stored")
    assert linked(folder, review(folder, sha256=NAME[:-4])) == {f"ward/{NAME}": b"stored"}


@pytest.mark.parametrize(
    "image, ours",
    [(NAME, {}), (NAME, {"sha256": 7}), (f"../{NAME}", {"sha256": NAME[:-4]})],
    ids=["no digest", "no text", "another folder"],
)
def test_other_documents_are_left_alone(folder: Path, image: str, ours: dict[str, Any]) -> None:
    (folder / "mine" / "copy.png").write_bytes(IMAGE)
    assert linked(folder, review(folder, image, **ours)) == {}


def test_an_image_that_is_nowhere(folder: Path) -> None:
    (folder / "mine" / "other.png").write_bytes(IMAGE + b"!")
    assert linked(folder, review(folder, sha256=NAME[:-4])) == {}
