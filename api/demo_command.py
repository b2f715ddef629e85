"""The `demo` command: the whole path on phantoms, shown step by step."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Argument(help="New folder for everything that is made.")] = Path(
        "lucency-demo"
    ),
    seed: Annotated[int, typer.Option(help="Another seed draws other patients.")] = 0,
) -> None:
    """Go the whole path on synthetic radiographs: phantoms to bundles, reports and an answer."""
    from rich.console import Console
    from rich.table import Table

    from lucency.api.demo import run_demo
    from lucency.api.training_libraries import need_training_libraries

    need_training_libraries()
    console = Console()
    result = run_demo(out, seed=seed, console=console)
    table = Table(title="Measured on the demo's test split (synthetic radiographs)")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in result.figures.items():
        table.add_row(name, value)
    console.print(table)
    console.print(f"Everything is in {out}: open {result.report} in a browser,", highlight=False)
    console.print(f"look at {result.picture}, read {result.answer}.", highlight=False)
    console.print("\nNext:", style="bold")
    for line in result.next_commands:
        console.print(f"  {line}", highlight=False, soft_wrap=True)
