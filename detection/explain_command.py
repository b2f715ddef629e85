"""`lucency explain`: which pixels drove a detection."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lucency.configs.display import DisplaySpec
    from lucency.detection.checkpoint_detector import CheckpointDetector
    from lucency.detection.detector import Detector
    from lucency.detection.heat_map import Explanation


def explain(
    model: Annotated[str, typer.Argument(help="A bundle's folder or name, or a .pt checkpoint.")],
    image: Annotated[Path, typer.Argument(help="The radiograph.")],
    out: Annotated[Path, typer.Argument(help="New PNG with the heat map and the box.")],
    detection: Annotated[
        int, typer.Option(min=1, help="Which detection, from 1, the best first.")
    ] = 1,
    masks: Annotated[
        int, typer.Option(min=50, max=20000, help="Masks that hide parts; for bundles.")
    ] = 600,
    seed: Annotated[int, typer.Option(help="Where the random masks start.")] = 0,
) -> None:
    """Draw which parts of a radiograph drove one detection."""
    from rich.console import Console

    from lucency.configs import atomic
    from lucency.configs.errors import ConfigError

    if out.suffix.lower() != ".png":
        raise ConfigError(f"{out}: is written as PNG; name a file that ends in .png")
    if out.exists():
        raise ConfigError(f"{out}: exists already; name a new file")
    opened, spec = _opened(model)
    picture, found = _explained(opened, spec, image, detection, masks=masks, seed=seed)
    atomic.write_bytes(out, picture)
    Console().print(f"{out}: {_told(opened, found)}", highlight=False)


def _told(opened: "Detector | CheckpointDetector", found: "Explanation") -> str:
    """The explanation in words; that `predict` leaves such a box out, where it does."""
    from lucency.detection.detector import Detector
    from lucency.detection.heat_map import heat_inside

    share, fair = heat_inside(found)
    told = (
        f"{found.label} {found.score:.3f}; {share:.0%} of the heat lies inside the box, which is "
        f"{fair:.1%} of the image."
    )
    if isinstance(opened, Detector):
        point = opened.manifest.default_operating_point
        least = opened.manifest.operating_points[point][found.label]
        if found.score < least:
            told += f" It is below the threshold of '{point}', {least:.3f}: a weak guess."
    return told


def _explained(
    opened: "Detector | CheckpointDetector",
    spec: "DisplaySpec",
    image: Path,
    detection: int,
    *,
    masks: int,
    seed: int,
) -> "tuple[bytes, Explanation]":
    """The PNG and the explanation."""
    import cv2
    from rich.progress import Progress

    from lucency.datasets.radiographs import read_radiograph
    from lucency.detection.heat_map import draw_heat, explain

    radiograph = read_radiograph(image)
    with Progress(transient=True) as progress:
        bar = progress.add_task("Asking the model", total=None)

        def on_progress(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        found = explain(
            opened, radiograph, detection - 1, masks=masks, seed=seed, on_progress=on_progress
        )
    picture = cv2.cvtColor(draw_heat(radiograph, found, spec), cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".png", picture)[1]), found


def _opened(model: str) -> "tuple[Detector | CheckpointDetector, DisplaySpec]":
    """The model that a name means, and how it wants its pixels."""
    from importlib.util import find_spec

    from lucency.configs.errors import ConfigError

    if not model.endswith(".pt"):
        from lucency.detection.detector import open_detector

        detector = open_detector(model)
        return detector, detector.manifest.display
    if find_spec("ultralytics") is None:
        raise ConfigError(
            f'{model}: a .pt file needs torch and ultralytics: pip install "lucency[train]"'
        )
    from lucency.detection.checkpoint_detector import open_checkpoint

    checkpoint = open_checkpoint(Path(model))
    return checkpoint, checkpoint.display
