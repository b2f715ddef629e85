"""`lucency fuse`: a detector's scores rescaled by a classifier of whole images."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lucency.api.fusing import Fusion


def fuse(
    detector: Annotated[str, typer.Argument(help="A detector's bundle, or a shipped name.")],
    classifier: Annotated[str, typer.Argument(help="A classifier's bundle, or a shipped name.")],
    dataset: Annotated[Path, typer.Argument(help="A split set with the detector's classes.")],
    out: Annotated[Path, typer.Argument(help="New folder for the fused bundle.")],
    label: Annotated[str, typer.Option(help="Which of the classifier's labels to go by.")],
    report: Annotated[
        Path | None, typer.Option(help="New folder for report.html, metrics.json, predictions.")
    ] = None,
) -> None:
    """Fuse a detector with a classifier of whole images: fitted on 'val', its effect measured."""
    from rich.progress import Progress

    from lucency.annotations.records import read_dataset
    from lucency.api.fusing import fuse as fuse_bundles
    from lucency.api.fusion_report import write_fusion_report
    from lucency.api.loading import find_any_bundle
    from lucency.configs import atomic
    from lucency.configs.bundle import load_bundle
    from lucency.datasets.leakage import check_leakage

    for folder in (out, report):
        if folder is not None:
            atomic.refuse_existing(folder)
    first, second = (load_bundle(find_any_bundle(name)) for name in (detector, classifier))
    data = read_dataset(dataset)
    check_leakage(data)
    with Progress(transient=True) as bars:

        def on_step(title: str) -> Callable[[int, int], None]:
            bar = bars.add_task(title, total=None)
            return lambda done, total: bars.update(bar, completed=done, total=total)

        fusion = fuse_bundles(first, second, data, out, label=label, on_step=on_step)
    _print(fusion, out)
    if report is not None:
        with atomic.new_folder(report) as folder:
            write_fusion_report(fusion.bundle, fusion.effects, folder, dataset=data)
        typer.echo(f"{report / 'report.html'} shows what fusion changes.")


def _print(fusion: "Fusion", out: Path) -> None:
    """A table for each split, and what it amounts to."""
    from rich.console import Console
    from rich.table import Table

    from lucency.api.fusion_report import COLUMNS, basis, rows, verdict

    console = Console(markup=False, emoji=False)
    for effect in fusion.effects:
        table = Table(box=None, caption=basis(effect), caption_justify="left")
        for number, column in enumerate(COLUMNS):
            table.add_column(column, justify="right" if number else "left")
        for row in rows(effect):
            table.add_row(*row)
        console.print(table)
        console.print(verdict(effect), highlight=False)
    spec = fusion.bundle.manifest.fusion
    if spec is not None:
        console.print(
            f"{out} answers together with the classifier '{spec.classifier}' only.", highlight=False
        )
