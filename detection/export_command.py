"""What `lucency export` does for a detector."""

from pathlib import Path


def export_detector(run: Path, dataset: Path, out: Path) -> None:
    """Export a run as a bundle and say what the parity gate measured."""
    from rich.console import Console

    from lucency.detection.export import export

    console = Console()
    with console.status("Exporting, comparing with torch, choosing thresholds …"):
        bundle = export(run, dataset, out)
    parity = bundle.manifest.parity
    console.print(
        f"{out}: ONNX agrees with torch on {parity['images']:.0f} images: at most "
        f"{parity['probability']:.1e} in probability, {parity['box_px']:.1e} px in boxes.",
        highlight=False,
    )
    console.print(f"Next: lucency evaluate {out} {dataset} REPORT", highlight=False)
