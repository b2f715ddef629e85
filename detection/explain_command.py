"""What `lucency explain` does for a detector: which pixels drove a detection."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lucency.configs.display import DisplaySpec
    from lucency.detection.checkpoint_detector import CheckpointDetector
    from lucency.detection.detector import Detector
    from lucency.detection.heat_map import Explanation


def explain_detector(
    model: str, image: Path, out: Path, *, detection: int = 1, masks: int = 600, seed: int = 0
) -> None:
    """Draw the heat of one detection, from 1, the best first, as a PNG and tell where it lies."""
    from rich.console import Console

    from lucency.configs import atomic

    opened, spec = _opened(model)
    picture, found = _explained(opened, spec, image, detection, masks=masks, seed=seed)
    atomic.write_bytes(out, picture)
    Console().print(f"{out}: {_told(opened, found)}", highlight=False)


def _told(opened: "Detector | CheckpointDetector", found: "Explanation") -> str:
    """The explanation in words; that `predict` leaves such a box out, where it does."""
    from lucency.detection.detector import Detector
    from lucency.evaluation.heat_shares import share_in_box

    share = share_in_box(found.heat, found.box_xyxy)
    told = (
        f"{found.label} {found.score:.3f}; {share.heat:.0%} of the heat lies inside the box, which "
        f"is {share.area:.1%} of the image."
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
    from rich.progress import Progress

    from lucency.datasets.radiographs import read_radiograph
    from lucency.detection.heat_map import draw_heat, explain
    from lucency.evaluation.pictures import encode_png

    radiograph = read_radiograph(image)
    with Progress(transient=True) as progress:
        bar = progress.add_task("Asking the model", total=None)

        def on_progress(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        found = explain(
            opened, radiograph, detection - 1, masks=masks, seed=seed, on_progress=on_progress
        )
    return encode_png(draw_heat(radiograph, found, spec)), found


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
