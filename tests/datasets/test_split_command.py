import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lucency.annotations.convert import convert
from lucency.annotations.records import SPLITS, read_dataset, write_tables
from lucency.configs.errors import ConfigError, DatasetError, LeakageError, LucencyError
from lucency.datasets import split_command
from lucency.datasets.leakage import check_leakage
from lucency.datasets.phantom_files import write_labelme
from lucency.datasets.phantoms import make_limbs
from lucency.datasets.placement import JOURNAL
from lucency.datasets.split_lock import LOCK


def split(*arguments: str | Path) -> str:
    """What the command prints, on one line; its error is raised."""
    app = typer.Typer()
    app.command()(split_command.split)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of ten phantom patients, not split yet."""
    root = tmp_path_factory.mktemp("made")
    write_labelme(make_limbs(10, seed=1, size=64), root / "phantoms")
    convert(root / "phantoms", root / "set")
    return root / "set"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of that set."""
    return Path(shutil.copytree(made, tmp_path / "set"))


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lock(folder: Path) -> dict[str, object]:
    return json.loads((folder / LOCK).read_text())  # type: ignore[no-any-return]


def change_extra(folder: Path, **values: list[str]) -> None:
    """Write further columns into the set's table, the values in turn."""
    dataset = read_dataset(folder)
    records = [
        replace(r, extra={k: v[n % len(v)] for k, v in values.items()})
        for n, r in enumerate(dataset.records)
    ]
    write_tables(replace(dataset, records=tuple(records)))


def test_the_set_is_moved_locked_and_shown(folder: Path) -> None:
    told = split(folder, "--ratios", "60/20/20", "--seed", "4")
    dataset = read_dataset(folder)
    check_leakage(dataset)
    assert all(dataset.in_split(split) for split in SPLITS)
    assert f"images │ {len(dataset.in_split('train'))}" in told
    assert "images with fracture" in told
    assert "images without findings" in told
    assert "name no patient" not in told
    written = lock(folder)
    assert (written["seed"], written["ratios"]) == (4, [0.6, 0.2, 0.2])
    count = len(dataset.records)
    expected = {"dataset.csv": count, "dicom": 0, "none": 0, "pattern": 0, "table": 0}
    assert written["patient_ids"] == expected
    assert isinstance(written["near_duplicate_groups"], int)


def test_official_lists(folder: Path, tmp_path: Path) -> None:
    chosen = read_dataset(folder).records[0]
    (tmp_path / "valid.csv").write_text(f"image_id\n{chosen.image.name}\nabsent.png\n")
    assignment = f"val={tmp_path / 'valid.csv'}"
    told = split(folder, "--assign", assignment, "--ratios", "100/0/0")
    assert "1 of 2 assigned names are not in the set: absent.png" in told
    in_val = {record.patient_id for record in read_dataset(folder).in_split("val")}
    assert chosen.patient_id in in_val
    assert len(in_val) <= 2  # a near-duplicate may follow


def test_the_official_column_and_overruled_images_are_told(folder: Path) -> None:
    change_extra(folder, official_split=["test", "train", "train", "val"])
    told = split(folder)
    assert "images are listed in another split than one of their patient or picture" in told
    dataset = read_dataset(folder)
    check_leakage(dataset)
    overruled = lock(folder)["overruled"]
    assert isinstance(overruled, list)
    assert f"note: {len(overruled)} images are listed" in told
    listed = {"test": 0, "val": 1, "train": 2}
    for record in dataset.records:
        assert listed[record.split] <= listed[record.extra["official_split"]]
    assert "another split than" not in split(folder, "--ignore-official")
    assert lock(folder)["overruled"] == []


def test_an_official_split_without_test_is_told(folder: Path) -> None:
    change_extra(folder, official_split=["train"])
    told = split(folder)
    assert "warning: no image is in test" in told
    assert "--ignore-official divides anew" in told
    assert read_dataset(folder).in_split("val")


def test_folds(folder: Path) -> None:
    told = split(folder, "--folds", "3", "--fold", "1")
    assert "fold 1 (val)" in told
    dataset = read_dataset(folder)
    check_leakage(dataset)
    before = {record.image.name: record.extra["fold"] for record in dataset.records}
    split(folder, "--folds", "3")
    after = {record.image.name: record for record in read_dataset(folder).records}
    assert {name: record.extra["fold"] for name, record in after.items()} == before
    assert all((r.split == "val") == (r.extra["fold"] == "0") for r in after.values())


def test_columns_to_stratify(folder: Path) -> None:
    change_extra(folder, tube=["a", "b"], view=["x"])
    assert "tube a" in split(folder, "--stratify", "tube")
    assert lock(folder)["stratified"] == ["tube"]
    with pytest.raises(ConfigError, match="no column 'kv'; its further columns: tube, view"):
        split(folder, "--stratify", "kv")


def test_splits_as_they_are(folder: Path) -> None:
    with pytest.raises(DatasetError, match="is in no split"):
        split(folder, "--as-is")
    split(folder)
    (folder / LOCK).unlink()
    before = (folder / "dataset.csv").read_bytes()
    split(folder, "--as-is")
    assert (folder / "dataset.csv").read_bytes() == before
    dataset = read_dataset(folder)
    check_leakage(dataset)
    one = dataset.in_split("train")[0]
    leak = [replace(r, split="test") if r is one else r for r in dataset.records]
    write_tables(replace(dataset, records=tuple(leak)))
    with pytest.raises(LeakageError, match=f"are of patient '{one.patient_id}'"):
        split(folder, "--as-is")


def test_patients_by_pattern_and_by_table(folder: Path, tmp_path: Path) -> None:
    split(folder, "--patient-pattern", r"limb-1-000([0-4])")
    patients = {record.patient_id for record in read_dataset(folder).records}
    assert {"0", "4", "limb-1-0005"} <= patients
    rows = "".join(f"one,{record.image.name}\n" for record in read_dataset(folder).records)
    (tmp_path / "who.csv").write_text("who,image\n" + rows)
    told = split(folder, "--patients", tmp_path / "who.csv", "--patient-column", "who")
    assert {record.patient_id for record in read_dataset(folder).records} == {"one"}
    assert {record.split for record in read_dataset(folder).records} == {"train"}
    assert "warning: no image is in val" in told


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (("--ratios", "70/30"), ConfigError, "three numbers such as 70/15/15"),
        (("--ratios", "a/b/c"), ConfigError, "three numbers such as 70/15/15"),
        (("--ratios", "0/0/0"), ConfigError, "must be three numbers of at least 0"),
        (("--folds", "3", "--ratios", "8/1/1"), ConfigError, "--folds: divides into equal parts"),
        (("--fold", "1"), ConfigError, "--fold: goes with --folds"),
        (("--folds", "3", "--fold", "3"), ConfigError, "fold: must be from 0 to 2"),
        (("--as-is", "--ratios", "8/1/1"), ConfigError, "so --ratios has no place"),
        (("--as-is", "--assign", "val=x"), ConfigError, "so --assign has no place"),
        (("--as-is", "--folds", "0"), ConfigError, "so --folds has no place"),
        (("--as-is", "--ignore-official"), ConfigError, "so --ignore-official has no place"),
        (("--assign", "valid.csv"), ConfigError, "must be SPLIT=FILE"),
        (("--assign", "val=absent.csv"), DatasetError, "cannot be read"),
        (("--stratify", "absent"), ConfigError, "no column 'absent'"),
        (("--patient-pattern", "(open"), ConfigError, "is no pattern"),
        (("--patient-pattern", ""), ConfigError, "--patient-pattern: is empty"),
        (("--patient-column", "who"), ConfigError, "--patient-column: goes with --patients"),
        (("--patient-pattern", "nobody"), ConfigError, "finds no patient in any file name"),
        (("--patients", "absent.csv"), DatasetError, "cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_options_change_nothing(
    folder: Path, options: tuple[str, ...], error: type[LucencyError], message: str
) -> None:
    before = sorted(path for path in folder.rglob("*") if path.name != "fingerprints.csv")
    table = (folder / "dataset.csv").read_bytes()
    with pytest.raises(error, match=message):
        split(folder, *options)
    after = sorted(path for path in folder.rglob("*") if path.name != "fingerprints.csv")
    assert (after, (folder / "dataset.csv").read_bytes()) == (before, table)


def test_images_without_a_patient_and_unreadable_ones_are_told(folder: Path) -> None:
    dataset = read_dataset(folder)
    records = []
    for number, record in enumerate(dataset.records):  # PNGs cannot tell; the DICOM files would
        path = dataset.image_path(record)
        path.unlink()  # it may be a link to the file that was converted
        path.write_bytes(b"\x89PNG\r\n\x1a\n%d" % number)
        digest = digest_of(path)
        records.append(replace(record, patient_id="", sha256=digest))
    write_tables(replace(dataset, records=tuple(records)))
    told = split(folder)
    count = len(records)
    assert f"warning: {count} of {count} images name no patient" in told
    assert f"warning: {count} images cannot be decoded and were not compared" in told
    assert lock(folder)["not_compared"] == count


def test_an_altered_image_is_refused(folder: Path) -> None:
    dataset = read_dataset(folder)
    path = dataset.image_path(dataset.records[3])
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data + b"\0")
    with pytest.raises(DatasetError, match=r"is no longer the file that dataset\.csv was made"):
        split(folder)
    assert not (folder / LOCK).exists()


def test_near_duplicates_are_told(folder: Path) -> None:
    split(folder)
    dataset = read_dataset(folder)
    # The same picture under another patient's name, and with other bytes.
    first, other = dataset.in_split("train")[0], dataset.in_split("test")[0]
    data = dataset.image_path(first).read_bytes()
    path = dataset.image_path(other)
    path.unlink()
    path.write_bytes(data + b"\xfc\xff\xfc\xffOB\0\0\2\0\0\0\0\0")  # Data Set Trailing Padding
    digest = digest_of(path)
    records = [replace(r, sha256=digest) if r is other else r for r in dataset.records]
    write_tables(replace(dataset, records=tuple(records)))
    told = split(folder)
    assert "near-duplicates were kept together" in told
    placed = {record.sha256: record for record in read_dataset(folder).records}
    assert placed[first.sha256].split == placed[digest].split
    groups = {entry["sha256"]: entry["group"] for entry in lock(folder)["images"]}  # type: ignore[attr-defined]
    assert groups[first.sha256] == groups[digest]


def test_an_interrupted_split_is_finished_first(folder: Path) -> None:
    (folder / JOURNAL).write_text(json.dumps({"moves": [], "texts": {}}))
    assert "was finished first" in split(folder)
    assert not (folder / JOURNAL).exists()
    check_leakage(read_dataset(folder))
