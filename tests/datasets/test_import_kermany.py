"""The pneumonia set in the layouts that are handed out, and the real data."""

import re
from pathlib import Path

import pytest
from PIL import Image

from lucency.annotations.ledger import Ledger
from lucency.configs.errors import AnnotationError
from lucency.datasets.import_kermany import PUBLIC_SET, read
from lucency.datasets.importing import ImportedSet, import_set

KAGGLE = {
    "train/NORMAL/IM-0115-0001.jpeg": ("train", "0", "", "IM-0115"),
    "train/NORMAL/IM-0429-0001-0002.jpeg": ("train", "0", "", "IM-0429"),
    "train/NORMAL/NORMAL2-IM-0383-0001.jpeg": ("train", "0", "", "NORMAL2-IM-0383"),
    "train/PNEUMONIA/person1_bacteria_1.jpeg": ("train", "1", "bacteria", "person1_bacteria"),
    "train/PNEUMONIA/person63_virus_306_1.jpeg": ("train", "1", "virus", "person63_virus"),
    "test/PNEUMONIA/person1_virus_6.jpeg": ("test", "1", "virus", "person1_virus"),
    "val/PNEUMONIA/person1946_bacteria_4874.jpeg": ("val", "1", "bacteria", "person1946_bacteria"),
}
VERSION_3 = {
    "train/NORMAL/NORMAL-1003233-0001.jpeg": ("train", "0", "", "1003233"),
    "test/PNEUMONIA/BACTERIA-40699-0001.jpeg": ("test", "1", "bacteria", "40699"),
    "test/PNEUMONIA/VIRUS-40700-0002.jpeg": ("test", "1", "virus", "40700"),
}
Said = dict[str, tuple[str, str, str, str]]


def downloaded(root: Path, names: Said) -> Path:
    for shade, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 7), 30 * shade).save(root / name, format="JPEG")
    return root


def said(made: ImportedSet) -> Said:
    return {
        f"{r.source.rpartition('/')[0].rpartition('/')[2]}/{r.source.rpartition('/')[2]}"
        f"/{r.image.name}": (
            r.extra["official_split"],
            r.extra["pneumonia"],
            r.extra.get("pathogen", ""),
            r.patient_id,
        )
        for r in made.dataset.records
    }


@pytest.mark.parametrize("names", [KAGGLE, VERSION_3], ids=["version 2", "version 3"])
@pytest.mark.parametrize("inner", ["", "chest_xray", "archive/chest_xray"])
def test_layouts(tmp_path: Path, names: Said, inner: str) -> None:
    downloaded(tmp_path / "down" / inner, names)
    made = import_set(PUBLIC_SET, tmp_path / "down", tmp_path / "out")
    assert said(made) == names
    assert made.counts.status["unknown"] == len(names)


def test_the_copies_in_kaggles_zip(tmp_path: Path) -> None:
    root = tmp_path / "chest_xray"
    for copy in (root, root / "chest_xray"):
        downloaded(copy, KAGGLE)
    rubbish = root / "__MACOSX/chest_xray/train/NORMAL"
    rubbish.mkdir(parents=True)
    (rubbish / "._IM-0115-0001.jpeg").write_bytes(b"\0\5\x16\7")
    (rubbish / "IM-0115-0001.jpeg").write_bytes(b"\0\5\x16\7")
    made = import_set(PUBLIC_SET, root, tmp_path / "out")
    assert said(made) == KAGGLE
    assert f"({len(KAGGLE)}) were passed over" in made.ledger.hints[0]


def test_the_folder_of_one_split(tmp_path: Path) -> None:
    root = downloaded(tmp_path / "chest_xray", KAGGLE)
    made = import_set(PUBLIC_SET, root / "test", tmp_path / "out")
    assert made.counts.official_splits == {"test": 1}


def test_other_case_and_other_names(tmp_path: Path) -> None:
    root = tmp_path / "down"
    downloaded(
        root,
        {
            "train/normal/a.JPG": ("", "", "", ""),
            "train/Pneumonia/b.JPEG": KAGGLE["train/NORMAL/IM-0115-0001.jpeg"],
        },
    )
    made = import_set(PUBLIC_SET, root, tmp_path / "out")
    assert made.counts.labels == {"pneumonia": {"positive": 1, "negative": 1, "unknown": 0}}
    assert made.counts.images_without_patient == 2


def test_another_folder(tmp_path: Path) -> None:
    downloaded(tmp_path, {"train/cats/IM-0115-0001.jpeg": ("", "", "", "")})
    with pytest.raises(AnnotationError, match=r"expected images in train/NORMAL and train/PNEUM"):
        list(read(tmp_path, Ledger()))


@pytest.mark.real_data
def test_all_of_the_real_data(lucency_data: Path, tmp_path: Path) -> None:
    folder = lucency_data / "pneumonia"
    made = import_set(PUBLIC_SET, folder, tmp_path / "out")
    counts = made.counts
    assert counts.labels == {"pneumonia": {"positive": 3875, "negative": 1341, "unknown": 0}}
    assert counts.status == {"annotated": 0, "negative": 0, "unknown": 5216}
    assert counts.official_splits == {"train": 5216}
    assert counts.images_without_patient == 0
    pathogens = [record.extra.get("pathogen", "") for record in made.dataset.records]
    names = [path.name for path in (folder / "train/PNEUMONIA").iterdir()]
    told = [sum(word in name for name in names) for word in ("_bacteria_", "_virus_")]
    assert [pathogens.count("bacteria"), pathogens.count("virus")] == told == [2530, 1345]
    # 1,353 numbers with bacterial, 1,090 with viral pneumonia, 1,211 of healthy children.
    persons = {re.match(r"person\d+_[a-z]+", name)[0] for name in names}  # type: ignore[index]
    assert (len(persons), counts.patients) == (1353 + 1090, 1353 + 1090 + 1211)
