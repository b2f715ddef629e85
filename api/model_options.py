"""The options that `serve` and `predict` share: which models, and how detectors look."""

from typing import Annotated

import typer

MODELS = "Models"  # their heading in `--help`

Bundles = Annotated[
    list[str] | None,
    typer.Option(
        "--bundle",
        metavar="FOLDER|NAME",
        rich_help_panel=MODELS,
        help="A model bundle; may be given several times. Default: those shipped with Lucency "
        "that may be used for anything.",
    ),
]
Tiles = Annotated[
    int | None,
    typer.Option(
        min=64,
        metavar="PIXELS",
        rich_help_panel=MODELS,
        help="Look at overlapping tiles of this side too, for small findings.",
        show_default="as the bundle says",
    ),
]
Flip = Annotated[
    bool,
    typer.Option(
        "--flip",
        rich_help_panel=MODELS,
        help="Average with the mirrored image; takes twice as long.",
    ),
]
Ensemble = Annotated[
    bool,
    typer.Option(
        "--ensemble",
        rich_help_panel=MODELS,
        help="All detectors answer as one, by weighted box fusion.",
    ),
]
