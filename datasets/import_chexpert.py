"""CheXpert: chest radiographs with 14 labels from reports, some of them uncertain.

Source: Irvin et al., CheXpert, AAAI 2019. In ``train.csv``, 1 stands for a finding that the report
mentions, 0 for one it denies, -1 for one it is uncertain of; an empty cell is not mentioned. The
last two are unknown here: a column ``uncertain`` names the labels that were -1. ``valid.csv`` and
the test set were read by radiologists. There are no boxes.

Images go by patient, study and view, so that the small set (``CheXpert-v1.0-small/train/…``),
Kaggle's copy of it and the batches of the original (``CheXpert-v1.0 batch 2 (train 1)/…``) are
all found. Patients have different numbers in all three splits.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from lucency.annotations.documents import shown
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.ledger import Ledger
from lucency.annotations.table_images import image_path
from lucency.annotations.tables import Table, read_table
from lucency.configs.errors import AnnotationError
from lucency.datasets.listed_images import ListedImages, age, sex
from lucency.datasets.public_sets import PublicSet
from lucency.datasets.set_files import column_name

PUBLIC_SET = PublicSet(
    name="chexpert",
    title="CheXpert",
    where="https://stanfordmlgroup.github.io/competitions/chexpert/",
    licence="Stanford University School of Medicine CheXpert Dataset Research Use Agreement: "
    "non-commercial research, no redistribution",
    citation="Irvin J, Rajpurkar P, Ko M, et al. CheXpert: A Large Chest Radiograph Dataset with "
    "Uncertainty Labels and Expert Comparison. AAAI 2019, 33(01):590-597. "
    "doi:10.1609/aaai.v33i01.3301590",
    contents="224,316 chest radiographs of 65,240 patients with 14 labels from reports, test set "
    "among them",
)
_LABELS = frozenset(
    {"no_finding", "enlarged_cardiomediastinum", "cardiomegaly", "lung_opacity", "lung_lesion"}
    | {"edema", "consolidation", "pneumonia", "atelectasis", "pneumothorax", "pleural_effusion"}
    | {"pleural_other", "fracture", "support_devices"}
)
_SPLITS = {
    "train": ("train.csv",),
    "val": ("valid.csv", "val_labels.csv"),
    "test": ("test.csv", "test_labels.csv"),
}
_UNCERTAIN = -1.0
_VALUES = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "-1": -1.0, "-1.0": -1.0, "": None}


def read(folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield every image; see `public_sets.PublicReader`."""
    files = ListedImages(PUBLIC_SET, folder, ledger, named=_view_of_patient)
    found = {split: files.table(*names) for split, names in _SPLITS.items()}
    if not any(found.values()):
        files.needed_table(*(name for names in _SPLITS.values() for name in names))
    yield from files.placed(
        annotation
        for split, file in found.items()
        if file is not None
        for annotation in _entries(read_table(file), split, ledger)
    )


def _view_of_patient(path: str) -> str:
    """``patient00001/study1/view1_frontal.jpg``."""
    return "/".join(path.split("/")[-3:])


def _entries(table: Table, split: str, ledger: Ledger) -> Iterator[ImageAnnotation]:
    path = table.column("path")
    named = [(number, column_name(title)) for number, title in enumerate(table.titles)]
    labels = [(number, name) for number, name in named if name in _LABELS]
    if not labels:
        raise AnnotationError(
            f"{table.name}: line 1: must have the labels of CheXpert, got {shown(table.titles)}"
        )
    first, last = labels[0][0], labels[-1][0] + 1
    describe = partial(_described, columns=_columns(table))
    known: dict[tuple[str, ...], tuple[dict[str, bool], str]] = {}
    ledger.expect(table.name, 0)
    for where, cells in table.full_rows():
        image = image_path(cells[path])
        key = tuple(cells[first:last])
        try:
            if image is None or image.count("/") < 2:
                raise ValueError(f"must be the path of an image, got {shown(cells[path])}")
            if key not in known:  # of millions of combinations, some 10,000 occur
                known[key] = _said(cells, labels)
            extra = describe(cells)
        except ValueError as error:
            raise AnnotationError(f"{table.name}: {where}: {error}") from None
        patient, study = image.split("/")[-3:-1]
        said, uncertain = known[key]
        extra |= {"study": f"{patient}/{study}", "official_split": split}
        if uncertain:
            extra["uncertain"] = uncertain
        yield ImageAnnotation(
            image=image,
            source=table.name,
            size_wh=None,
            findings=(),
            status=Status.UNKNOWN,
            patient_id=patient,
            labels=said,
            extra=extra,
        )


def _said(cells: list[str], labels: list[tuple[int, str]]) -> tuple[dict[str, bool], str]:
    """The labels that are known, and the names of those that are uncertain."""
    said: dict[str, bool] = {}
    uncertain = []
    for column, name in labels:
        cell = cells[column].strip()
        if cell not in _VALUES:
            raise ValueError(f"{name}: must be 1, 0, -1 or empty, got {shown(cell)}")
        value = _VALUES[cell]
        if value == _UNCERTAIN:
            uncertain.append(name)
        elif value is not None:
            said[name] = bool(value)
    return said, ", ".join(uncertain)


def _columns(table: Table) -> tuple[int | None, int | None, int | None, int | None]:
    """The columns of sex, age, side and direction; the lists of the test set have none."""
    return (
        table.find("sex"),
        table.find("age"),
        table.find("frontal/lateral"),
        table.find("ap/pa"),
    )


def _described(
    cells: list[str], *, columns: tuple[int | None, int | None, int | None, int | None]
) -> dict[str, str]:
    who, old, side, direction = (cells[c].strip() if c is not None else "" for c in columns)
    view = direction or side.lower() if side.lower() != "lateral" else "lateral"
    extra = {"body_part": "chest", "sex": sex(who), "age": age(old), "view": view}
    return {name: text for name, text in extra.items() if text}
