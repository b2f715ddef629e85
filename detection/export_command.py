"""What `lucency export` does for a detector."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from lucency.configs.bundle import Bundle


def export_detector(
    run: Path,
    dataset: Path,
    out: Path,
    *,
    precision: Literal["fp32", "fp16", "int8"] = "fp32",
    tiles: int | None = None,
    flip: bool = False,
    with_weights: bool = True,
) -> None:
    """Export a run as a bundle with a progress bar; say what the gate and validation measured."""
    from rich.console import Console
    from rich.progress import Progress

    from lucency.configs.inference import InferenceOptions, TileSpec
    from lucency.detection.export import export

    console = Console()
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("Exporting", total=None)

        def on_step(step: str) -> "Callable[[int, int], None]":
            progress.reset(bar, description=step, total=None)
            return lambda done, total: progress.update(bar, completed=done, total=total)

        bundle = export(
            run,
            dataset,
            out,
            precision=precision,
            inference=InferenceOptions(tiles=TileSpec(size=tiles) if tiles else None, flip=flip),
            with_weights=with_weights,
            on_step=on_step,
        )
    _tell(console, bundle, dataset)


def _tell(console: "Console", bundle: "Bundle", dataset: Path) -> None:
    manifest, parity = bundle.manifest, bundle.manifest.parity
    matched = f"{parity['matched']:.1%} of its boxes found again; " if "matched" in parity else ""
    drop = f"; AP50 lower by {parity['map50_drop']:.4f}" if "map50_drop" in parity else ""
    console.print(
        f"{bundle.path}: {manifest.precision}, {len(bundle.model) / 1e6:.1f} MB; against torch on "
        f"{parity['images']:.0f} images: {matched}at most {parity['probability']:.1e} in "
        f"probability, {parity['box_px']:.1e} px in boxes{drop}.",
        highlight=False,
    )
    for name, text in (("map50", "mAP50"), ("recall_balanced", "recall at balanced")):
        if name in manifest.metrics:
            low, high = manifest.metric_intervals.get(name, (float("nan"),) * 2)
            console.print(
                f"{text} {manifest.metrics[name]:.3f} ({low:.3f} to {high:.3f}) on validation "
                f"images, which chose the thresholds.",
                highlight=False,
            )
    console.print(f"Next: lucency evaluate {bundle.path} {dataset} REPORT", highlight=False)
