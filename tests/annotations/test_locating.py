import os
from pathlib import Path

import pytest

from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.images import ImageFinder
from lucency.annotations.ledger import Reason
from lucency.annotations.locating import LeftOutError, Locator
from lucency.configs.errors import AnnotationError


class Embedded:
    """A format whose documents hold an image where they are named so."""

    def embedded_image(self, path: Path) -> bytes | None:
        if path.stem == "broken":
            raise AnnotationError(f"{path.name}: imageData: is not base64")
        return b"pixels" if path.stem == "holding" else None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("set/images/a/1.png", "set/images/b/1.png", "set/images/a/2.png", "set/x/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path / "set"


def locator(root: Path) -> Locator:
    return Locator(root, ImageFinder([root / "images"]), Embedded())


def annotation(
    image: str, source: str = "x/a.json", size: tuple[int, int] | None = (9, 9)
) -> ImageAnnotation:
    return ImageAnnotation(image, source, size, (), Status.UNKNOWN)


def test_an_image_on_disk(root: Path) -> None:
    found = locator(root).locate(annotation("3.png"))
    assert found.name == f"{root}/x/3.png"
    assert found.key == os.path.realpath(root / "x/3.png")
    assert (found.on_disk, found.data) == (True, None)


def test_one_image_by_two_names_has_one_key(root: Path, tmp_path: Path) -> None:
    (root / "images/link.png").symlink_to(root / "images/a/2.png")
    (tmp_path / "linked").symlink_to(root)
    names = ["a/2.png", "../images/a/2.png", "link.png", "../images/./b/../a/2.png"]
    keys = {os.path.realpath(locator(root).locate(annotation(name)).key) for name in names}
    keys.add(locator(tmp_path / "linked").locate(annotation("a/2.png")).key)
    assert keys == {os.path.realpath(root / "images/a/2.png")}


@pytest.mark.parametrize(
    ("image", "source", "reason", "words"),
    [
        ("9.png", "x/a.json", Reason.MISSING_IMAGE, "no such image in"),
        ("1.png", "x/a.json", Reason.AMBIGUOUS_IMAGE, "2 images have this name"),
        ("9.png", "x/broken.json", Reason.UNREADABLE_IMAGE, "is not base64"),
    ],
    ids=["missing", "ambiguous", "broken inside"],
)
def test_what_cannot_be_found_says_why(
    root: Path, image: str, source: str, reason: Reason, words: str
) -> None:
    with pytest.raises(LeftOutError, match=words) as caught:
        locator(root).locate(annotation(image, source))
    assert caught.value.refusal[0] is reason


@pytest.mark.parametrize("image", ["9.png", "holding.json"], ids=["missing", "names itself"])
def test_an_image_inside_its_annotation(root: Path, image: str) -> None:
    (root / "x/holding.json").write_text("{}")
    found = locator(root).locate(annotation(image, "x/holding.json"))
    assert (found.data, found.name) == (b"pixels", image)
    assert found.key == os.path.realpath(root / "x/holding.json")


def test_an_image_on_disk_goes_before_the_one_inside(root: Path) -> None:
    assert locator(root).locate(annotation("3.png", "x/holding.json")).data is None


@pytest.mark.parametrize(
    ("image", "source", "name"),
    [
        ("a/1.png", "coco.json", "a/1.png"),
        ("a/1.png", "x/coco.json", "x/a/1.png"),
        ("../images/1.png", "x/1.json", "images/1.png"),
        ("../../../etc/passwd", "x/1.json", "../../etc/passwd"),
        ("/etc/passwd", "x/1.json", "/etc/passwd"),
        ("", "1.json", ""),
        ("a\0b", "x/1.json", "x/a\0b"),
    ],
    ids=["at the root", "in a folder", "beside", "above", "absolute", "empty", "null byte"],
)
def test_without_a_finder_nothing_is_looked_for(
    root: Path, image: str, source: str, name: str
) -> None:
    found = Locator(root, None, None).locate(annotation(image, source))
    assert (found.key, found.name, found.on_disk, found.data) == (name, name, False, None)


def test_without_a_finder_the_size_must_be_given(root: Path) -> None:
    with pytest.raises(LeftOutError, match="--images") as caught:
        Locator(root, None, None).locate(annotation("a.png", size=None))
    assert caught.value.refusal[0] is Reason.MISSING_IMAGE


def test_places_tell_nothing_of_the_machine(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root / "x")
    for named in (root, Path("../x/..")):
        place_of = locator(named).place_of
        assert place_of(f"{root}/images/a/1.png") == ("images/a", "a/1.png")
        assert place_of("../images/a/1.png") == ("images/a", "a/1.png")
        assert place_of("./1.png") == ("x", "x/1.png")
        assert place_of(f"{root}/1.png") == (".", "set/1.png")
        assert place_of(f"{tmp_path}/elsewhere/\udcff.png") == ("elsewhere", "elsewhere/?.png")
