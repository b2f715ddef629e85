"""`lucency serve` and `lucency predict`: the same analysis over HTTP and for files."""

from pathlib import Path
from typing import Annotated

import typer

from lucency.annotations.choices import KindAsked

Bundles = Annotated[
    list[str] | None,
    typer.Option(
        "--bundle",
        metavar="FOLDER|NAME",
        help="A model bundle; may be given several times. Default: those shipped with Lucency "
        "that may be used for anything.",
    ),
]
Tiles = Annotated[
    int | None,
    typer.Option(
        min=64,
        metavar="PIXELS",
        help="Look at overlapping tiles of this side too, for small findings.",
        show_default="as the bundle says",
    ),
]
Flip = Annotated[
    bool, typer.Option("--flip", help="Average with the mirrored image; takes twice as long.")
]
Ensemble = Annotated[
    bool,
    typer.Option("--ensemble", help="All detectors answer as one, by weighted box fusion."),
]


def serve(
    bundle: Bundles = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port; 0 takes a free one.", show_default="8000"),
    ] = None,
    allow_public: Annotated[
        bool, typer.Option("--allow-public", help="Accept an address others can reach.")
    ] = False,
    tiles: Tiles = None,
    flip: Flip = False,
    ensemble: Ensemble = False,
) -> None:
    """Serve boxes and class probabilities over HTTP.

    Settings may also come from the environment: LUCENCY_BUNDLES, LUCENCY_HOST, LUCENCY_PORT,
    LUCENCY_MAX_UPLOAD_BYTES, LUCENCY_ANALYSES_AT_ONCE, LUCENCY_THREADS, LUCENCY_TILES,
    LUCENCY_FLIP, LUCENCY_ENSEMBLE.
    """
    from lucency.api.settings import read_settings

    settings = read_settings(
        bundles=tuple(bundle) if bundle else None,
        host=host,
        port=port,
        tiles=tiles,
        flip=flip or None,
        ensemble=ensemble or None,
    )
    if not settings.is_loopback:
        _accept_public(settings.host, allowed=allow_public)

    from lucency.api.server import run_server

    run_server(settings)


def predict(
    images: Annotated[
        list[Path], typer.Argument(help="PNG, JPEG, TIFF or DICOM files, or folders of them.")
    ],
    bundle: Bundles = None,
    conf: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Threshold of boxes; replaces the operating point."),
    ] = None,
    operating_point: Annotated[
        str | None,
        typer.Option(help="screening, balanced or specific.", show_default="the bundle's own"),
    ] = None,
    frame: Annotated[
        int | None,
        typer.Option(min=1, help="Frame of DICOM files or page of TIFFs that have several."),
    ] = None,
    kind: Annotated[
        KindAsked,
        typer.Option(
            help="What the images show: chest or bone runs the models for that, any runs all; auto "
            "asks the router, if one is loaded, which refuses what is neither."
        ),
    ] = KindAsked.AUTO,
    json_path: Annotated[
        Path | None,
        typer.Option("--json", help="Write the service's answers here, one line a file."),
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="New folder for the images with their boxes.")
    ] = None,
    tiles: Tiles = None,
    flip: Flip = False,
    ensemble: Ensemble = False,
) -> None:
    """Find boxes and class probabilities in image files; ends with status 1 if any failed."""
    from lucency.api.loading import load_bundles, other_looks, terms
    from lucency.api.pipeline import Pipeline
    from lucency.api.predict import images_of, predict_files, print_table
    from lucency.api.settings import read_settings

    paths = images_of(images)
    settings = read_settings(
        bundles=tuple(bundle) if bundle else None,
        tiles=tiles,
        flip=flip or None,
        ensemble=ensemble or None,
    )
    bundles = load_bundles(settings.bundles)
    for line in (*terms(bundles), *other_looks(bundles, settings.options)):
        typer.echo(line, err=True)
    pipeline = Pipeline(
        bundles,
        threads=settings.threads,
        options=settings.options,
        ensemble=settings.ensemble,
    )
    outcomes = predict_files(
        pipeline,
        paths,
        conf=conf,
        operating_point=operating_point,
        frame=frame,
        kind=kind,
        json_path=json_path,
        pictures=pictures,
    )
    print_table(outcomes)
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


def _accept_public(host: str, *, allowed: bool) -> None:
    from lucency.configs.errors import ConfigError

    if not allowed:
        raise ConfigError(
            f"--host {host}: others could reach this address, and this version has no "
            "authentication; listen on 127.0.0.1 behind a proxy, or add --allow-public"
        )
    typer.echo(
        f"warning: {host} can be reached by others and there is no authentication yet (it comes "
        "with a later version); put a proxy that checks who asks in front",
        err=True,
    )
