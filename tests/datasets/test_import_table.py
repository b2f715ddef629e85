"""One's own images with a table."""

from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.ledger import Ledger
from lucency.configs.errors import AnnotationError, ConfigError
from lucency.datasets.import_table import TABLE, TableColumns, read
from lucency.datasets.importing import import_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    (made / "images").mkdir(parents=True)
    for shade in range(3):
        Image.new("L", (9, 7), 60 * shade).save(made / f"images/{shade}.png")
    return made


def table(
    folder: Path, text: str, name: str = "labels.csv", **columns: str
) -> list[ImageAnnotation]:
    (folder / name).write_text(text, encoding="utf-8")
    return list(read(folder, Ledger(), columns=TableColumns(**columns)))


def test_columns_by_their_content(folder: Path) -> None:
    first, second = table(
        folder,
        "id,file,TB,Pleural Effusion,sex,split,patient_id,site,notes\n"
        "7,images/0.png,1,no,0,train,p1,A,\n"
        "8,images\\1.png,0,,1,validation,p2,B,old, \n".replace("old, ", "old"),
    )
    assert (first.image, second.image) == ("images/0.png", "images/1.png")
    assert (first.labels, second.labels) == ({"tb": True, "pleural_effusion": False}, {"tb": False})
    assert (first.patient_id, second.patient_id) == ("p1", "p2")
    assert first.extra == {"id": "7", "sex": "0", "official_split": "train", "site": "A"}
    assert second.extra["official_split"] == "val"
    assert second.extra["notes"] == "old"
    assert first.status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("yes", "no"),
    [("1", "0"), ("1.0", "0.0"), ("True", "FALSE"), ("yes", "No"), ("Positive", "negative")],
)
def test_words_for_yes_and_no(folder: Path, yes: str, no: str) -> None:
    rows = table(folder, f"image,ill\n0,{yes}\n1,{no}\n2,NaN\n")
    assert [row.labels for row in rows] == [{"ill": True}, {"ill": False}, {}]


def test_a_column_of_labels(folder: Path) -> None:
    text = "image;Dx;who\n0.png;Pleural Effusion;a\n0.png;TB;a\n1.png;tb;b\n2.png;;c\n"
    rows = table(folder, text, label="dx", patient="who")
    assert [row.labels for row in rows] == [
        {"pleural_effusion": True, "tb": True},
        {"pleural_effusion": False, "tb": True},
        {},
    ]
    assert [row.patient_id for row in rows] == ["a", "b", "c"]


def test_a_label_column_of_yes_and_no(folder: Path) -> None:
    rows = table(folder, "image,ill\n0.png,yes\n1.png,no\n", label="ill")
    assert [row.labels for row in rows] == [{"ill": True}, {"ill": False}]


def test_a_split_column_that_is_none_stays(folder: Path) -> None:
    rows = table(folder, "image,ill,set\n0.png,1,train\n1.png,0,mine\n")
    assert [row.extra for row in rows] == [{"set": "train"}, {"set": "mine"}]


def test_the_table_that_names_most_images(folder: Path) -> None:
    (folder / "train.csv").write_text("image,ill\n0.png,0\n", encoding="utf-8")
    (folder / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    ledger = Ledger()
    (folder / "all.csv").write_text("image,ill\n0.png,1\n1.png,0\n", encoding="utf-8")
    assert [row.labels["ill"] for row in read(folder, ledger)] == [True, False]
    assert ledger.hints == [
        "other.csv names fewer images and was passed over",
        "train.csv names fewer images and was passed over",
        "images in no row of all.csv, not taken: 1",
    ]


def test_the_image_column_by_name(folder: Path) -> None:
    text = "copy,image,ill\n0.png,2.png,1\n1.png,1.png,0\n"
    assert [row.image for row in table(folder, text, image="Image")] == ["2.png", "1.png"]
    with pytest.raises(ConfigError, match="--image-column file: no table in"):
        table(folder, text, image="file")


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("image,ill\nx.png,1\n", {}, "a column that names the images .* 1 tables and 3 images"),
        ("image,age\n0.png,1\n1.png,7\n", {}, "a column of 0 and 1 for each label.*--label-column"),
        ("image,age\n0.png,1\n", {"label": "dx"}, "--label-column dx: labels.csv must have this"),
        ("image,ill\n0.png,1\n", {"patient": "who"}, "--patient-column who: labels.csv must have"),
        ("image,ill\n0.png,1\n0.png,0\n", {}, "line 3: 0.png has another ill here than in line 2"),
        ("image,ill,split\n0.png,1,val\n0.png,1,test\n", {}, "line 3: 0.png has another split"),
        ("image,ill,patient\n0.png,1,a\n0.png,1,b\n", {}, "line 3: 0.png has another patient"),
        ("image,ill\n0.png,1\n,0\n", {}, "line 3: must name an image"),
        ("image,TB,dx\n0.png,1,tb\n", {"label": "dx"}, "two columns give the label 'tb'"),
        ("", {}, "is empty"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:30] or "empty",
)
def test_what_is_refused(folder: Path, text: str, columns: dict[str, str], message: str) -> None:
    with pytest.raises((AnnotationError, ConfigError), match=message):
        table(folder, text, **columns)


def test_two_tables_of_the_same_images(folder: Path) -> None:
    (folder / "a.csv").write_text("image,ill\n0.png,1\n", encoding="utf-8")
    with pytest.raises(AnnotationError, match=r"a.csv and labels.csv name as many images"):
        table(folder, "image,ill\n1.png,1\n")


def test_an_image_that_is_missing(folder: Path) -> None:
    (folder / "labels.csv").write_text("image,ill\n0.png,1\n9.png,0\n", encoding="utf-8")
    with pytest.raises(AnnotationError, match="missing-image: 1 image"):
        import_images(TABLE, read, folder, folder.parent / "out")


@pytest.mark.real_data
def test_the_tb_sites(lucency_data: Path, tmp_path: Path) -> None:
    folder = lucency_data / "tb_sites"
    reader = partial(read, columns=TableColumns())
    made = import_images(TABLE, reader, folder, tmp_path / "out")
    sites = [record.extra["site"] for record in made.dataset.records]
    assert {site: sites.count(site) for site in sorted(set(sites))} == {
        "delhi_da": 77,
        "delhi_db": 53,
        "montgomery": 36,
        "shenzhen": 224,
    }
    assert made.counts.images == 390
    assert made.counts.labels == {"tb": {"positive": 181, "negative": 209, "unknown": 0}}
    assert made.counts.official_splits == {"train": 288, "val": 102}


@pytest.mark.parametrize("name", ["a.csv", "z.csv"])
def test_a_table_of_something_else_may_be_removed(folder: Path, name: str) -> None:
    (folder / name).write_text("x,y\n1,2,3\n")
    with pytest.raises(AnnotationError, match=rf"{name}: line 2: .*; mend it, or remove it"):
        table(folder, "image,ill\n0.png,1\n1.png,0\n")


def test_no_column_is_lost_to_another_of_its_name(folder: Path) -> None:
    with pytest.raises(AnnotationError, match="two columns are called 'note'; rename one"):
        table(folder, "image,ill,note,note\n0.png,1,a,b\n1.png,0,c,d\n")


def test_columns_without_title_at_the_end(folder: Path) -> None:
    rows = table(folder, "image,ill,,\n0.png,1,,\n1.png,0,,\n")
    assert [row.labels for row in rows] == [{"ill": True}, {"ill": False}]


@pytest.mark.parametrize("column", ["image", "who"])
def test_names_of_images_and_patients_are_no_labels(folder: Path, column: str) -> None:
    with pytest.raises(ConfigError, match=f"--label-column {column}: names the images"):
        table(folder, "image,who,ill\n0.png,a,1\n1.png,b,0\n", label=column, patient="who")


def test_images_of_which_nothing_is_said_are_counted(folder: Path) -> None:
    (folder / "t.csv").write_text("image,ill\n0.png,1\nnot_there,0\nnor_there.png,0\n")
    ledger = Ledger()
    list(read(folder, ledger))
    assert ledger.hints == ["images in no row of t.csv, not taken: 2"]
