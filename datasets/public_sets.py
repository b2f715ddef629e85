"""The public data sets that `lucency import` knows. A further one is one module and one line here.

The module ``import_<name>`` of a set holds what stands in `PublicSet` as ``PUBLIC_SET``, and the
function of `PublicReader`; it is loaded only when it is needed.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from lucency.annotations.findings import ImageAnnotation
from lucency.annotations.ledger import Ledger
from lucency.configs.errors import ConfigError

PUBLIC_SETS = (
    "fracatlas",
    "grazpedwri",
    "mura",
    "tbx11k",
    "montgomery",
    "shenzhen",
    "vindr-cxr",
    "rsna",
    "kermany",
    "nih",
    "chexpert",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSet:
    """A data set that others published.

    ``where`` is the page that it is to be had from, ``contents`` one phrase on what is in it.
    ``classes`` are the labels of its boxes in its own order; a set without boxes has none.
    ``stretched`` images are handed out at another size than they were annotated at, not in
    proportion.
    """

    name: str
    title: str
    where: str
    licence: str
    citation: str
    contents: str
    classes: tuple[str, ...] = ()
    stretched: bool = False


class PublicReader(Protocol):
    """What the module of a public set offers."""

    PUBLIC_SET: PublicSet

    def read(self, folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
        """Yield every image of the set, as it lies below ``folder``, once or once a reader.

        ``image`` is the path below ``folder``. As in an annotation format, the ledger is told of
        every box: `lucency.annotations.formats.Reader`.

        Raises
        ------
        AnnotationError
            The folder is not the set: what was expected in it.

        """


def public_reader(name: str) -> PublicReader:
    """The module of a public set; raises `ConfigError` if there is no set of that name."""
    if name not in PUBLIC_SETS:
        raise ConfigError(f"{name}: no such public set; there are {', '.join(PUBLIC_SETS)}")
    module = importlib.import_module(f"lucency.datasets.import_{name.replace('-', '_')}")
    return cast(PublicReader, module)


def public_set(name: str) -> PublicSet:
    """What is known about a public set; raises `ConfigError` if there is none of that name."""
    return public_reader(name).PUBLIC_SET
