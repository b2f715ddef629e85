"""What `lucency export` does for a classifier."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console

    from lucency.configs.bundle import Bundle


def export_classifier(
    run: Path,
    dataset: Path,
    out: Path,
    *,
    precision: Literal["fp32", "fp16", "int8"] = "fp32",
    torchscript: bool = False,
    with_weights: bool = True,
) -> None:
    """Export a run as a bundle with a progress bar; say what the gate and validation measured."""
    from rich.console import Console
    from rich.progress import Progress

    from lucency.classification.export import export
    from lucency.evaluation.step_bars import step_bars

    console = Console()
    with Progress(console=console, transient=True) as bars:
        bundle = export(
            run,
            dataset,
            out,
            precision=precision,
            torchscript=torchscript,
            with_weights=with_weights,
            on_step=step_bars(bars),
        )
    _tell(console, bundle, dataset)


def _tell(console: "Console", bundle: "Bundle", dataset: Path) -> None:
    manifest, parity = bundle.manifest, bundle.manifest.parity
    console.print(
        f"{bundle.path}: {manifest.precision}, {len(bundle.model) / 1e6:.1f} MB; against torch on "
        f"{parity['images']:.0f} images at most {parity['probability']:.1e} in probability, "
        f"{parity['changed']:.2%} of the verdicts changed.",
        highlight=False,
    )
    if "auc" in manifest.metrics:
        low, high = manifest.metric_intervals.get("auc", (float("nan"),) * 2)
        console.print(
            f"AUC {manifest.metrics['auc']:.3f} ({low:.3f} to {high:.3f}) on validation images, "
            f"which chose epoch, calibration and thresholds.",
            highlight=False,
        )
    console.print(f"Next: lucency evaluate {bundle.path} {dataset} REPORT", highlight=False)
