"""The Shenzhen Hospital set: chest radiographs with and without tuberculosis."""

from collections.abc import Iterator
from pathlib import Path

from lucency.annotations.findings import ImageAnnotation
from lucency.annotations.ledger import Ledger
from lucency.datasets.nlm_readings import NLM_CITATION, NLM_LICENCE, NLM_PAGE, read_nlm
from lucency.datasets.public_sets import PublicSet

PUBLIC_SET = PublicSet(
    name="shenzhen",
    title="Shenzhen Hospital CXR Set",
    where=f"{NLM_PAGE}Shenzhen-Hospital-CXR-Set/",
    licence=NLM_LICENCE,
    citation=NLM_CITATION,
    contents="662 chest radiographs, 336 with tuberculosis",
)


def read(folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images; raises `AnnotationError` where there is none of the set."""
    return read_nlm(PUBLIC_SET, folder, ledger, prefix="CHNCXR")
