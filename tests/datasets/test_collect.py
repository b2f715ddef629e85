import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from lucency.annotations.findings import Status
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Reason
from lucency.annotations.prelabels import Prelabel, Prelabels
from lucency.annotations.records import ImageRecord, read_dataset
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import AnnotationError, ConfigError, DatasetError
from lucency.datasets.collect import Collected, collect
from lucency.datasets.originals import private_folder
from lucency.datasets.phantom_files import write_dicom
from lucency.datasets.phantoms import make_limbs
from lucency.datasets.prepare import prepare
from lucency.datasets.radiographs import Radiograph

Document = dict[str, Any]
Edit = Callable[[Document], object]


def propose(radiograph: Radiograph) -> Prelabels:
    boxes = (
        Prelabel("fracture", Box(5, 5, 25, 25), 0.8),
        Prelabel("fracture", Box(40, 40, 60, 60), 0.6),
    )
    return Prelabels("model 0123456789ab", boxes, uncertainty=0.5)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pre-labelled folder, its map beside it, and the originals."""
    root = tmp_path_factory.mktemp("prepared")
    for phantom in make_limbs(3, seed=2, size=64):
        write_dicom(phantom, root / "dicom" / f"{phantom.image_id}.dcm", monochrome=2)
    spec = DisplaySpec()
    prepare([root / "dicom"], root / "out", spec=spec, labels=["lesion"], prelabel=propose)
    return root


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    """A copy of that folder and its map."""
    shutil.copytree(prepared / "out-private", tmp_path / "out-private")
    return Path(shutil.copytree(prepared / "out", tmp_path / "out"))


def edit(folder: Path, number: int, *edits: Edit) -> None:
    path = folder / f"img-{number:04}.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for each in edits:
        each(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def tick(document: Document) -> None:
    document["flags"]["reviewed"] = True


def move(document: Document) -> None:
    document["shapes"][0]["points"][0][0] += 2


def relabel(document: Document) -> None:
    document["shapes"][1]["label"] = "tumour"


def clear(document: Document) -> None:
    document["shapes"].clear()


def add(document: Document) -> None:
    shape = dict(document["shapes"][0], label="lesion", points=[[2, 40], [12, 50]])
    document["shapes"].append(shape)


def by_stem(folder: Path) -> dict[str, ImageRecord]:
    return {record.image.stem: record for record in read_dataset(folder).records}


@pytest.fixture
def collected(folder: Path, tmp_path: Path) -> Collected:
    edit(folder, 1, tick)
    edit(folder, 2, move)
    edit(folder, 3, relabel, add, tick)
    edit(folder, 4, clear, tick)
    return collect(folder, tmp_path / "set")


def test_only_reviewed_images_count(collected: Collected, tmp_path: Path) -> None:
    found = by_stem(tmp_path / "set")
    expected = {
        "img-0001": Status.ANNOTATED,
        "img-0002": Status.ANNOTATED,
        "img-0003": Status.ANNOTATED,
        "img-0004": Status.NEGATIVE,
    }
    assert {stem: record.status for stem, record in found.items()} == {
        stem: expected.get(stem, Status.UNKNOWN) for stem in found
    }
    assert (collected.reviewed, collected.unreviewed) == (4, len(found) - 4)
    assert collected.unticked == ("img-0002.json",)
    assert not list((tmp_path / "set" / "labels").rglob("img-0005.txt"))


def test_boxes_are_those_the_readers_left(collected: Collected, tmp_path: Path) -> None:
    dataset = read_dataset(tmp_path / "set")
    records = by_stem(tmp_path / "set")
    moved = [finding.box for finding in dataset.findings(records["img-0002"])]
    assert [round(box.x1) for box in moved] == [7, 40]
    labels = sorted(finding.label for finding in dataset.findings(records["img-0003"]))
    assert labels == ["fracture", "lesion", "tumour"]


def test_classes_follow_labels_txt_and_then_their_names(
    collected: Collected, tmp_path: Path
) -> None:
    assert read_dataset(tmp_path / "set").label_map.names == ("lesion", "fracture", "tumour")
    assert collected.new_labels == ("fracture", "tumour")


def test_what_became_of_the_pre_labels(collected: Collected, tmp_path: Path) -> None:
    rows = collected.tally.to_json()["labels"]
    assert rows["fracture"] == {
        "proposed": 8, "kept": 4, "moved": 1, "relabelled": 1, "deleted": 2, "added": 0,
        "relabelled_to": 0, "now": 5,
    }  # fmt: skip
    assert rows["lesion"]["added"] == rows["lesion"]["now"] == 1
    assert rows["tumour"]["relabelled_to"] == 1
    report = json.loads((tmp_path / "set" / "collect.json").read_text(encoding="utf-8"))
    assert report["corrections"]["labels"] == rows
    assert report["prelabelled_by"] == ["model 0123456789ab"]
    assert report["reviewed_without_tick"] == ["img-0002.json"]
    assert [image["image"] for image in report["images"]] == [
        f"img-000{number}.png" for number in (1, 2, 3, 4)
    ]


def test_patients_come_from_the_private_map(collected: Collected, tmp_path: Path) -> None:
    records = by_stem(tmp_path / "set")
    patients = {record.patient_id for record in records.values() if record.patient_id}
    assert patients <= {f"limb-2-000{number}" for number in range(3)}
    assert collected.patients == 4
    assert not any("limb" in record.image.name for record in records.values())
    assert "reviewed" not in (tmp_path / "set" / "dataset.csv").read_text().splitlines()[0]


def test_without_the_map_no_patient_is_known(folder: Path, tmp_path: Path) -> None:
    moved = private_folder(folder).rename(tmp_path / "safe")
    edit(folder, 1, tick)
    without = collect(folder, tmp_path / "set")
    assert (without.mapped, without.patients) == (False, 0)
    named = collect(folder, tmp_path / "again", private_map=moved / "map.csv")
    assert named.patients == 1


def test_an_image_of_two_patients_has_none(folder: Path, tmp_path: Path) -> None:
    table = private_folder(folder) / "map.csv"
    header, first, *rest = table.read_text().splitlines()
    twin = first.replace("limb-2-000", "other-")
    table.write_text("\n".join([header, first, twin, *rest]) + "\n")
    edit(folder, 1, tick)
    found = collect(folder, tmp_path / "set")
    assert found.shared == ("img-0001.png",)
    assert by_stem(tmp_path / "set")["img-0001"].patient_id == ""


def test_originals_may_take_the_place_of_the_pngs(
    folder: Path, prepared: Path, tmp_path: Path
) -> None:
    edit(folder, 1, tick)
    collect(folder, tmp_path / "set", originals=True)
    records = by_stem(tmp_path / "set")
    assert len(records) == len(list((prepared / "dicom").iterdir()))
    assert {record.image.suffix for record in records.values()} == {".dcm"}
    placed = pydicom.dcmread(tmp_path / "set" / records["img-0001"].image)
    assert placed.PatientID == records["img-0001"].patient_id
    assert not (tmp_path / "set" / records["img-0001"].image).is_symlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), r"img-0001\.png: its original .* cannot be read"),
        (lambda path: path.write_bytes(b"x"), r"img-0001\.png: its original .* has changed"),
    ],
    ids=["gone", "changed"],
)
def test_originals_must_be_what_they_were(
    folder: Path, prepared: Path, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    copies = Path(shutil.copytree(prepared / "dicom", tmp_path / "dicom"))
    table = private_folder(folder) / "map.csv"
    table.write_text(table.read_text().replace(str(prepared / "dicom"), str(copies)))
    row = table.read_text().splitlines()[1].split(",")
    spoil(Path(row[4]))
    edit(folder, 1, tick)
    with pytest.raises(DatasetError, match=message):
        collect(folder, tmp_path / "set", originals=True)
    assert not (tmp_path / "set").exists()


def test_originals_need_the_map(folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(private_folder(folder))
    edit(folder, 1, tick)
    with pytest.raises(ConfigError, match="--originals: needs the private map"):
        collect(folder, tmp_path / "set", originals=True)


def test_documents_may_come_back_without_the_images(folder: Path, tmp_path: Path) -> None:
    returned = tmp_path / "returned"
    (returned / "anna").mkdir(parents=True)
    edit(folder, 2, move)
    shutil.copy(folder / "img-0002.json", returned / "anna" / "img-0002.json")
    found = collect(
        returned, tmp_path / "set", images=folder, private_map=private_folder(folder) / "map.csv"
    )
    assert (found.reviewed, found.unreviewed, found.patients) == (1, 0, 1)
    assert by_stem(tmp_path / "set")["img-0002"].status is Status.ANNOTATED


def test_an_unreadable_document_stops_it(folder: Path, tmp_path: Path) -> None:
    edit(folder, 1, tick)
    (folder / "img-0002.json").write_text("{", encoding="utf-8")
    with pytest.raises(AnnotationError, match="--allow unreadable-annotation"):
        collect(folder, tmp_path / "set")
    assert not (tmp_path / "set").exists()
    found = collect(folder, tmp_path / "set", allow=[Reason.UNREADABLE_ANNOTATION])
    assert found.reviewed == 1
    assert by_stem(tmp_path / "set")["img-0002"].status is Status.UNKNOWN
    (folder / "img-0002.json").unlink()
    (folder / "img-0002.json").symlink_to("nowhere")
    with pytest.raises(AnnotationError, match=r"img-0002\.json: cannot be read: No such file"):
        collect(folder, tmp_path / "again")


def test_an_image_that_is_left_out_counts_nowhere(folder: Path, tmp_path: Path) -> None:
    edit(folder, 1, tick)
    edit(folder, 2, move)
    (folder / "img-0002.png").unlink()
    with pytest.raises(AnnotationError, match=r"img-0002\.png: no such image in out\)"):
        collect(folder, tmp_path / "set")
    found = collect(folder, tmp_path / "set", allow=[Reason.MISSING_IMAGE])
    assert found.tally.row("fracture")["proposed"] == 2
    assert [each.image for each in found.corrections] == ["img-0001.png"]


def test_nothing_is_overwritten(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        collect(folder, folder)
    with pytest.raises(ConfigError, match="where documents are read; name one beside it"):
        collect(folder, folder / "set")
    (tmp_path / "file").touch()
    edit(folder, 1, tick)
    with pytest.raises(ConfigError, match="set: cannot be written"):
        collect(folder, tmp_path / "file" / "set")


def test_a_shape_that_cannot_become_a_box_stops_it(folder: Path, tmp_path: Path) -> None:
    edit(folder, 1, lambda d: d["shapes"][0].update(shape_type="point", points=[[3, 3]]))
    with pytest.raises(AnnotationError, match="--allow unsupported-shape"):
        collect(folder, tmp_path / "set")


def test_without_a_review_there_is_no_set(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"no document in it was reviewed, of \d+; tick the flag"
    ):
        collect(folder, tmp_path / "set")
    (folder / "nothing").mkdir()
    with pytest.raises(DatasetError, match="there are no labelme documents in it"):
        collect(folder / "nothing", tmp_path / "set")
    with pytest.raises(ConfigError, match="no such folder"):
        collect(tmp_path / "absent", tmp_path / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out-private"]


def test_twice_gives_the_same_set(folder: Path, tmp_path: Path) -> None:
    edit(folder, 1, tick)
    edit(folder, 2, add)
    sets = [tmp_path / name for name in ("one", "two")]
    for each in sets:
        collect(folder, each)
    files = [sorted(p.relative_to(each) for p in each.rglob("*")) for each in sets]
    assert files[0] == files[1]
    for name in files[0]:
        if (sets[0] / name).is_file():
            assert (sets[0] / name).read_bytes() == (sets[1] / name).read_bytes(), name
