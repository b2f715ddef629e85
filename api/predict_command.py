"""`lucency predict`: the service's analysis for files and folders."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lucency.annotations.choices import KindAsked
from lucency.api.model_options import MODELS, Bundles, Ensemble, Flip, Tiles

if TYPE_CHECKING:
    from lucency.api.pipeline import Pipeline
    from lucency.api.settings import Settings

_ASKED, _OUTPUTS = "What is asked", "What is written"

Images = Annotated[
    list[Path], typer.Argument(help="PNG, JPEG, TIFF or DICOM files, or folders of them.")
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        rich_help_panel=MODELS,
        help="Ask this one of the loaded models; may be given several times. Default: all.",
    ),
]
OperatingPoint = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=_ASKED,
        help="screening, balanced or specific.",
        show_default="the bundle's own",
    ),
]
Conf = Annotated[
    list[str] | None,
    typer.Option(
        "--conf",
        metavar="NUMBER|CLASS=NUMBER",
        rich_help_panel=_ASKED,
        help="Threshold of all boxes, or of one class in every model that knows it, in place of "
        "the operating point's; may be given several times.",
    ),
]
MaxDetections = Annotated[
    int,
    typer.Option(
        min=1, max=300, rich_help_panel=_ASKED, help="Most findings of an image, the best first."
    ),
]
Frame = Annotated[
    int | None,
    typer.Option(
        min=1,
        rich_help_panel=_ASKED,
        help="Frame of DICOM files or page of TIFFs that have several.",
    ),
]
Kind = Annotated[
    KindAsked,
    typer.Option(
        rich_help_panel=_ASKED,
        help="What the images show: chest or bone runs the models for that, any runs all; auto "
        "asks the router, if one is loaded, which refuses what is neither.",
    ),
]
Heatmap = Annotated[
    bool,
    typer.Option(
        "--heatmap",
        rich_help_panel=_ASKED,
        help="Heat maps of the classifiers, in the JSON lines and beside the pictures.",
    ),
]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        rich_help_panel=_OUTPUTS,
        help="The service's answers, one line of JSON an image.",
    ),
]
CsvFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=_OUTPUTS,
        help="A table of findings, and one of images beside it (NAME-images.csv).",
    ),
]
CocoFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=_OUTPUTS,
        help="COCO results, and beside them what their ids stand for (NAME-images.json).",
    ),
]
CocoImages = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=_OUTPUTS,
        help="COCO annotations whose ids --coco shall use, to be measured against.",
    ),
]
LabelmeFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        rich_help_panel=_OUTPUTS,
        help="New folder for labelme documents, to be corrected.",
    ),
]
YoloFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        rich_help_panel=_OUTPUTS,
        help="New folder for YOLO text files with scores.",
    ),
]
PicturesFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        rich_help_panel=_OUTPUTS,
        help="New folder for the images with their boxes, dotted where doubtful.",
    ),
]


def predict(
    images: Images,
    bundle: Bundles = None,
    model: Models = None,
    tiles: Tiles = None,
    flip: Flip = False,
    ensemble: Ensemble = False,
    operating_point: OperatingPoint = None,
    conf: Conf = None,
    max_detections: MaxDetections = 100,
    frame: Frame = None,
    kind: Kind = KindAsked.AUTO,
    heatmap: Heatmap = False,
    json_path: JsonFile = None,
    csv: CsvFile = None,
    coco: CocoFile = None,
    coco_images: CocoImages = None,
    labelme: LabelmeFolder = None,
    yolo: YoloFolder = None,
    pictures: PicturesFolder = None,
) -> None:
    """Find boxes and class probabilities in image files; ends with status 1 if any failed.

    Outputs may be combined; each of them is complete or absent.
    """
    from lucency.api.asking import Asked, parse_conf
    from lucency.api.predict import predict_files
    from lucency.api.prediction_files import Outputs
    from lucency.api.prediction_names import images_of
    from lucency.api.settings import read_settings

    conf_asked = parse_conf(conf or ())
    models = tuple(model) if model else None
    asked = Asked(operating_point, conf_asked, models, heatmap, max_detections, frame, kind)
    outputs = Outputs(json_path, coco, coco_images, labelme, yolo, csv, pictures)
    files = images_of(images)
    settings = read_settings(
        bundles=tuple(bundle) if bundle else None,
        tiles=tiles,
        flip=flip or None,
        ensemble=ensemble or None,
    )
    pipeline = _open_pipeline(settings)
    try:
        table = predict_files(
            pipeline, files, asked=asked, outputs=outputs, at_once=settings.at_once
        )
    finally:
        pipeline.close()
    table.print()
    if table.errors:
        raise typer.Exit(1)


def _open_pipeline(settings: "Settings") -> "Pipeline":
    """The models, and on stderr what must be known of them."""
    from lucency.api.loading import load_bundles, other_looks, terms
    from lucency.api.pipeline import Pipeline

    bundles = load_bundles(settings.bundles)
    for line in (*terms(bundles), *other_looks(bundles, settings.options)):
        typer.echo(line, err=True)
    return Pipeline(
        bundles,
        cores=settings.cores,
        batch_size=settings.batch_size,
        batch_window_ms=settings.batch_window_ms,
        options=settings.options,
        ensemble=settings.ensemble,
    )
