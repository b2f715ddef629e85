from pathlib import Path

import pytest

from lucency.annotations import tbx11k, voc
from lucency.annotations.findings import Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source

VALID = """<annotation>
	<filename>tb0005</filename>
	<segmented>0</segmented>
	<size>
		<width>1756</width>
		<height>2022</height>
	</size>
	<object>
		<name>ActiveTuberculosis</name>
		<bndbox>
			<xmin>1313</xmin>
			<ymin>505</ymin>
			<xmax>1451</xmax>
			<ymax>681</ymax>
		</bndbox>
	</object>
</annotation>
"""


def test_boxes_are_in_pixels_of_the_original_less_one_of_the_small_image(tmp_path: Path) -> None:
    (tmp_path / "tb0005.xml").write_text(VALID)
    ledger = Ledger()
    (image,) = tbx11k.read(Source(tmp_path), ledger)
    assert (image.image, image.size_wh) == ("tb0005", (1756, 2022))
    right, down = 1756 / 512, 2022 / 512
    assert image.findings[0].box == Box(1313 - right, 505 - down, 1451 - right, 681 - down)
    assert ledger.totals()["in"] == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (VALID, True),
        (VALID.replace("Active", "ObsoletePulmonary"), True),
        (VALID.replace("Active", "Some"), False),
        (VALID.replace("</object>", "</object><object><name>mass</name></object>"), False),
        (VALID.replace("object", "thing").replace("name>", "label>"), False),
        (VALID.replace("annotation", "annotations"), False),
        ("", False),
    ],
    ids=["active", "obsolete", "other", "a further class", "no object", "other root", "empty"],
)
def test_the_format_is_told_by_the_classes(text: str, found: bool) -> None:
    head = Head("a.xml", "a.xml", text)
    assert tbx11k.detect(head) is found
    assert voc.detect(head) or not found


@pytest.mark.real_data
def test_real_boxes_are_those_of_the_yolo_files(lucency_data: Path) -> None:
    folder = lucency_data / "tbx11k"
    classes = (folder / "classes.txt").read_text().split()
    ledger = Ledger()
    images = list(tbx11k.read(Source(folder / "annotations" / "voc"), ledger))
    assert len(images) == 600
    assert [image.image for image in images if image.status is Status.NEGATIVE] == ["tb1199"]
    assert ledger.totals() == {"in": 902, "written": 0, "clipped": 0, "merged": 0, "dropped": 0}
    for image in images:
        assert image.size_wh is not None
        width, height = image.size_wh
        lines = (folder / "labels" / "train" / f"{image.image}.txt").read_text().splitlines()
        for finding, line in zip(image.findings, lines, strict=True):
            number, x, y, wide, high = (float(field) for field in line.split())
            assert classes[int(number)] == finding.label
            ours = finding.box.scaled(512 / width, 512 / height)
            theirs = [
                512 * side for side in (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
            ]
            assert [ours.x1, ours.y1, ours.x2, ours.y2] == pytest.approx(theirs, abs=0.001)
