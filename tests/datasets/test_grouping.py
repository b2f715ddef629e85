from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.errors import ConfigError
from lucency.datasets.grouping import Group, group_images, stratified_columns


def record(name: str, *, patient: str = "", sha256: str = "", **extra: str) -> ImageRecord:
    image = PurePosixPath("images/unsplit", name)
    digest = sha256 or f"sha of {name}"
    return ImageRecord(image, "unsplit", patient, Status.NEGATIVE, 8, 8, digest, "s", extra)


def grouped(records: Sequence[ImageRecord], **options: object) -> list[Group]:
    dataset = Dataset(Path("set"), LabelMap(()), tuple(records))
    return group_images(dataset, records, seed=0, **options)  # type: ignore[arg-type]


def names(groups: Sequence[Group]) -> list[list[str]]:
    return sorted(sorted(r.image.stem for r in group.records) for group in groups)


def test_patients_digests_and_likeness_join_through_each_other() -> None:
    a, b, c, d = (record("a.png", patient="1"), record("b.png", patient="1"), *(
        record(name, sha256="same") for name in ("c.png", "d.png")))  # fmt: skip
    e, f = record("e.png"), record("f.png", patient="2")
    assert names(grouped([a, b, c, d, e, f])) == [["a", "b"], ["c", "d"], ["e"], ["f"]]
    assert names(grouped([a, b, c, d, e, f], alike=[(b, c), (e, f)])) == [
        ["a", "b", "c", "d"],
        ["e", "f"],
    ]


def test_images_outside_join_others_but_are_in_no_group() -> None:
    a, b, outside = record("a.png"), record("b.png"), record("c.png")
    assert names(grouped([a, b], alike=[(a, b, outside)])) == [["a", "b"]]


def test_ids_name_nobody_and_depend_on_the_files_alone() -> None:
    records = [record("a.png", patient="Doe^Jane"), record("b.png", patient="Doe^Jane")]
    (group,) = grouped(records)
    assert len(group.group_id) == 16
    assert int(group.group_id, 16) > 0
    renamed = [replace(r, patient_id="2", image=r.image.with_name("x" + r.image.name))
               for r in records[::-1]]  # fmt: skip
    assert grouped(renamed)[0].group_id == group.group_id
    assert grouped([replace(records[0], sha256="other")])[0].group_id != group.group_id


def test_strata_count_images() -> None:
    records = [
        record("a.png", patient="1", tb="1", site="x", lungs="1"),
        record("b.png", patient="1", tb="0", site="y", lungs=""),
        record("c.png", patient="1", tb="0", site="", lungs="0"),
    ]
    (group,) = grouped(records, columns=("site",))
    assert group.strata == {
        "images": 3,
        "groups": 1,
        "negative": 3,
        "label tb": 1,
        "label lungs": 1,
        "label lungs absent": 1,
        "site=x": 1,
        "site=y": 1,
    }


def test_body_part_and_site_are_stratified_unasked() -> None:
    records = [record(f"{n}.png", site=str(n % 2), body_part="chest", view="PA") for n in range(4)]
    assert stratified_columns(records, ()) == ("site",)
    assert stratified_columns(records, ("view", "site")) == ("site", "view")
    assert stratified_columns([], ()) == ()
    many = [record(f"{n}.png", site=str(n)) for n in range(51)]
    assert stratified_columns(many, ()) == ()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("absent", "no column 'absent'; its further columns: age, site"),
        ("age", "column 'age' has 51 values, 50 at most"),
    ],
)
def test_columns_that_cannot_be_balanced_are_refused(column: str, message: str) -> None:
    records = [record(f"{n}.png", age=str(n), site="x") for n in range(51)]
    with pytest.raises(ConfigError, match=message):
        stratified_columns(records, (column,))
