"""NIH ChestX-ray14: frontal chest radiographs with 14 labels from reports, and some boxes.

Source: Wang et al., ChestX-ray8, CVPR 2017; the set's own README_CHESTXRAY.pdf. ``Data_Entry_2017``
tells of every image what its report mentions; the labels were found in it by a program, and no
reader confirmed them. ``BBox_List_2017.csv`` has the boxes of 880 images, all others are of
unknown status. ``train_val_list.txt`` and ``test_list.txt`` are the official split; what is to be
had for training and validation is ``train``.

Downloads have the images in ``images/``, in ``images_001/images/`` to ``images_012/images/``, or
some of these.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

from lucency.annotations import nih
from lucency.annotations.documents import read_text
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source
from lucency.annotations.table_images import image_path
from lucency.annotations.tables import Table, read_table
from lucency.configs.errors import AnnotationError
from lucency.datasets.listed_images import ListedImages, age, sex
from lucency.datasets.public_sets import PublicSet
from lucency.datasets.set_files import column_name

PUBLIC_SET = PublicSet(
    name="nih",
    title="NIH ChestX-ray14",
    where="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    licence="No restrictions on use; link the download site, cite the paper and acknowledge the "
    "NIH Clinical Center as the data provider",
    citation="Wang X, Peng Y, Lu L, Lu Z, Bagheri M, Summers RM. ChestX-ray8: Hospital-scale Chest "
    "X-ray Database and Benchmarks on Weakly-Supervised Classification and Localization of Common "
    "Thorax Diseases. IEEE CVPR 2017, pp. 3462-3471",
    contents="112,120 frontal chest radiographs of 30,805 patients with 14 labels from reports, "
    "880 with boxes",
    classes=(
        "Atelectasis",
        "Cardiomegaly",
        "Effusion",
        "Infiltrate",
        "Mass",
        "Nodule",
        "Pneumonia",
        "Pneumothorax",
    ),
)
_LABELS = (
    *("atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia"),
    *("pneumothorax", "consolidation", "edema", "emphysema", "fibrosis", "pleural_thickening"),
    *("hernia", "no_finding"),
)
_LISTS = {"train_val_list.txt": "train", "test_list.txt": "test"}


def read(folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield every image; see `public_sets.PublicReader`."""
    files = ListedImages(PUBLIC_SET, folder, ledger)
    table = read_table(files.needed_table("Data_Entry_2017_v2020.csv", "Data_Entry_2017*.csv"))
    ledger.expect(table.name, 0)
    boxes = files.table("BBox_List_2017*.csv")
    marked: dict[str, ImageAnnotation] = {}
    if boxes is None:
        ledger.hints.append("there is no BBox_List_2017.csv: the set is imported without boxes")
    else:
        marked = {a.image: a for a in nih.read(Source(Path(boxes.path)), ledger)}
    yield from files.placed(_entries(table, marked, _splits(files)))


def _entries(
    table: Table, marked: dict[str, ImageAnnotation], splits: Mapping[str, str]
) -> Iterator[ImageAnnotation]:
    """All images of the table with their boxes, then those that have boxes alone."""
    image, said = table.column("image index"), table.column("finding labels")
    patient = table.column("patient id")
    columns: list[tuple[str, int | None, Callable[[str], str]]] = [
        ("sex", table.find("patient gender", "patient sex"), sex),
        ("view", table.find("view position"), str.strip),
        ("follow_up", table.find("follow-up #"), str.strip),
        ("age", table.find("patient age"), age),
    ]
    present = [(name, column, of) for name, column, of in columns if column is not None]
    labels_of = cache(_labels)
    for where, cells in table.full_rows():
        name = image_path(cells[image])
        try:
            if name is None:
                raise ValueError("must name an image")
            labels = labels_of(cells[said])
            extra = {"body_part": "chest"}
            extra |= {key: text for key, column, of in present if (text := of(cells[column]))}
        except ValueError as error:
            raise AnnotationError(f"{table.name}: {where}: {error}") from None
        if name in splits:
            extra["official_split"] = splits[name]
        marks = marked.pop(name, None)
        yield ImageAnnotation(
            image=name,
            source=marks.source if marks else table.name,
            size_wh=marks.size_wh if marks else None,
            findings=marks.findings if marks else (),
            status=marks.status if marks else Status.UNKNOWN,
            patient_id=_patient(cells[patient]),
            labels=labels,
            extra=extra,
        )
    yield from marked.values()


def _patient(cell: str) -> str:
    """The number with the zeros of the older table; none stays none."""
    number = cell.strip()
    return number.zfill(8) if number else ""


def _labels(cell: str) -> dict[str, bool]:
    said = {column_name(label) for label in cell.split("|")}
    if not said or not said.issubset(_LABELS):
        unknown = ", ".join(sorted(said.difference(_LABELS)))
        raise ValueError(f"must have labels of ChestX-ray14, got '{unknown}'")
    return {label: label in said for label in _LABELS}


def _splits(files: ListedImages) -> dict[str, str]:
    """The official split by image, from the two lists, or from the one that is there."""
    splits: dict[str, str] = {}
    for name, split in _LISTS.items():
        file = files.table(name)
        for line in read_text(file).split() if file else ():
            if splits.setdefault(line, split) != split:
                raise AnnotationError(f"{name}: {line} stands in the other list, too")
    return splits
