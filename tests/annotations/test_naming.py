import os
from pathlib import Path

import pytest

from lucency.annotations.assembly import AssembledImage
from lucency.annotations.findings import Status
from lucency.annotations.image_size import ImageHeader
from lucency.annotations.images import SourceImage
from lucency.annotations.naming import file_names
from lucency.annotations.packing import NO_FINDINGS


def entry(name: str, kind: str = "png", *, on_disk: bool = True) -> AssembledImage:
    image = SourceImage(name, ImageHeader(kind, 9, 9), "0" * 64) if on_disk else None
    return AssembledImage(name, image, (9, 9), "a.json", NO_FINDINGS, Status.NEGATIVE)


def named(*names: str, on_disk: bool = True, kind: str = "png") -> list[str]:
    return file_names([entry(name, kind, on_disk=on_disk) for name in names])


@pytest.mark.parametrize("on_disk", [True, False], ids=["on disk", "labels only"])
def test_names_stay_as_they_are_unless_two_collide(on_disk: bool) -> None:
    names = ["/s/a/1.png", "/s/b/2.JPG", "/s/b/wrist 1.v2.tif", "/s/c/Röntgen.dcm", "/s/1.2.3.jpeg"]
    expected = ["1.png", "2.JPG", "wrist 1.v2.tif", "Röntgen.dcm", "1.2.3.jpeg"]
    assert named(*names, on_disk=on_disk) == expected


@pytest.mark.parametrize("on_disk", [True, False], ids=["on disk", "labels only"])
def test_equal_names_are_told_apart_by_their_folders(on_disk: bool) -> None:
    names = ["/s/a/1.png", "/s/b/1.png", "/s/c/2.png"]
    assert named(*names, on_disk=on_disk) == ["a_1.png", "b_1.png", "2.png"]


def test_names_that_differ_in_suffix_alone_would_share_a_label_file() -> None:
    assert named("/s/a/1.png", "/s/b/1.jpg") == ["a_1.png", "b_1.jpg"]


def test_where_folders_are_equal_too_further_ones_follow() -> None:
    names = ["/s/x/a/1.png", "/s/y/a/1.png", "/s/z/a/1.png", "a_1.png", "a_1-2.png"]
    found = named(*names)
    assert found[3:] == ["a_1.png", "a_1-2.png"]
    assert len({name.rpartition(".")[0] for name in found}) == 5
    assert found[:3] == ["x_a_1.png", "y_a_1.png", "z_a_1.png"]


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("/s/1.2.840.113", "dicom", "1.2.840.113.dcm"),
        ("/s/IM0001", "dicom", "IM0001.dcm"),
        ("/s/1.dicom", "dicom", "1.dcm"),
        ("/s/1.jfif", "jpeg", "1.jpg"),
        ("/s/1.json", "png", "1.json.png"),
        ("/s/.png", "png", ".png.png"),
    ],
)
def test_images_without_a_known_suffix_get_one(name: str, kind: str, expected: str) -> None:
    assert named(name, kind=kind) == [expected]


HOSTILE = [
    "", ".", "..", "../..", "../../x.png", "/abs/x.png", "a\0b.png", "a\0b/c.png", "\0", "...",
    "x/..", "x/.", "C:/x.png", "a/" + "ö" * 400 + ".png", "b/" + "ö" * 400 + ".png",
    "y" * 900 + "/1.png", "z" * 900 + "/1.png", "n\0/2.png", "m/2.png", " ", "a.png/", ".png",
    "\udcff.png", "\udcff" * 90 + "/3.png", "3.png", "../2.png", "./2.png",
]  # fmt: skip


def test_no_name_leaves_the_folder_or_is_no_file_name() -> None:
    found = named(*HOSTILE, on_disk=False)
    stems = [name.rpartition(".")[0] for name in found]
    assert len(set(stems)) == len(HOSTILE)
    for name, stem in zip(found, stems, strict=True):
        assert os.path.basename(name) == name  # noqa: PTH119
        assert "\0" not in name
        assert len(name.encode()) <= 255
        assert stem.strip(". ")


@pytest.mark.parametrize("pair", [("\udcff.png", "2.png"), ("\udce4/1.png", "b/1.png")])
def test_bytes_that_are_no_text_are_replaced(pair: tuple[str, str]) -> None:
    """A file name of another encoding cannot stand in the tables."""
    for name in named(*pair):
        assert name.encode().decode() == name


def test_long_names_of_two_folders_still_fit() -> None:
    names = named(f"/s/{'a' * 250}/{'1' * 250}.png", f"/s/{'b' * 250}/{'1' * 250}.png")
    assert len(set(names)) == 2
    assert max(map(len, names)) <= 255


def test_names_that_a_mac_or_windows_takes_for_one_are_told_apart() -> None:
    names = ["/s/a/Scan.png", "/s/b/scan.png", "/s/a/é.png", "/s/b/e\u0301.png", "/s/c/2.png"]
    expected = ["a_Scan.png", "b_scan.png", "a_é.png", "b_e\u0301.png", "2.png"]
    assert named(*names) == expected
    assert named("/s/a/1.png", "/s/a/1.PNG", "/s/A/1.png") == [
        "s_a_1.png",
        "s_a_1-2.PNG",
        "s_A_1-3.png",
    ]


def test_names_do_not_depend_on_the_folder_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = named(f"{tmp_path}/1.png", f"{tmp_path}/a/1.png")
    monkeypatch.chdir(tmp_path)
    assert named("./1.png", "./a/1.png") == expected
    assert named(f"../{tmp_path.name}/1.png", "a/../a/1.png") == expected
