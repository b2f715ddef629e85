"""The Montgomery County set: chest radiographs with and without tuberculosis."""

from collections.abc import Iterator
from pathlib import Path

from lucency.annotations.findings import ImageAnnotation
from lucency.annotations.ledger import Ledger
from lucency.datasets.nlm_readings import NLM_CITATION, NLM_LICENCE, NLM_PAGE, read_nlm
from lucency.datasets.public_sets import PublicSet

PUBLIC_SET = PublicSet(
    name="montgomery",
    title="Montgomery County CXR Set",
    where=f"{NLM_PAGE}Montgomery-County-CXR-Set/",
    licence=NLM_LICENCE,
    citation=NLM_CITATION,
    contents="138 chest radiographs, 58 with tuberculosis",
)


def read(folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images; raises `AnnotationError` where there is none of the set."""
    return read_nlm(PUBLIC_SET, folder, ledger, prefix="MCUCXR")
