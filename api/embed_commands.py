"""`lucency embed`: a map of images by what a classifier makes of them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Method(StrEnum):
    """The ways into two dimensions, as `lucency.classification.embed` knows them."""

    BOTH = "both"
    TSNE = "tsne"
    UMAP = "umap"


def embed(
    model: Annotated[str, typer.Argument(help="A classifier's bundle: folder or shipped name.")],
    dataset: Annotated[Path, typer.Argument(metavar="SET", help="A data set with dataset.csv.")],
    out: Annotated[Path, typer.Argument(help="New folder for embedding.html and embedding.csv.")],
    split: Annotated[str, typer.Option(help="Which split's images.")] = "val",
    method: Annotated[Method, typer.Option(help="How features become a map.")] = Method.BOTH,
    colour: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Colour, and look for it in the features: a column of dataset.csv; repeatable.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Where chance starts.")] = 0,
) -> None:
    """Map a split's images by a classifier's features: a page where each point shows its image.

    For each --colour column it says how well the features tell its values apart, beside chance.
    """
    from lucency.classification.embed_command import EmbedOptions, embed_set

    embed_set(model, dataset, out, EmbedOptions(split, method.value, tuple(colour or ()), seed))
