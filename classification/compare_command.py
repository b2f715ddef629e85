"""What `lucency compare` does: every variant trained with its progress, then one table."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from lucency.classification.compare_report import Compared
    from lucency.classification.recipe import ClassificationConfig
    from lucency.classification.run_folder import EpochResult


def compare_classifiers(
    path: Path, dataset: Path, out: Path, *, overrides: Sequence[str], resume: bool
) -> None:
    """Train each variant of an experiment, measure them, print the table and write the page."""
    from rich.console import Console

    from lucency.classification.compare import compare, train_within_budget
    from lucency.classification.compare_measures import measure_variants, seed_spreads
    from lucency.classification.compare_report import Compared, write_comparison
    from lucency.classification.experiment import Experiment, variant_configs
    from lucency.classification.train_command import training_progress
    from lucency.configs.schema import read_config
    from lucency.evaluation.interruption import told_how_to_go_on

    experiment = read_config(Experiment, path, overrides=overrides)
    configs = variant_configs(experiment, path)
    console = Console()

    def train_variant(
        config: "ClassificationConfig",
        run: Path,
        again: bool,
        title: str,
        on_epoch: "Callable[[EpochResult], None]",
    ) -> None:
        with training_progress(title) as (live, on_progress):
            live.print(title, style="bold", highlight=False)
            train_within_budget(
                config, dataset, run, resume=again, on_epoch=on_epoch, on_progress=on_progress
            )

    with told_how_to_go_on(out):
        runs = compare(
            configs,
            dataset,
            out,
            budget=experiment.budget,
            seeds=experiment.seeds,
            resume=resume,
            train_variant=train_variant,
        )
    with console.status("Measuring …"):
        rows = measure_variants(runs)
        name = dataset.resolve().name
        found = Compared(experiment, configs, name, runs, rows, seed_spreads(rows))
        write_comparison(found, out)
    _print(found, console)
    console.print(f"{out / 'report.html'} shows the learning curves.", highlight=False)


def _print(found: "Compared", console: "Console") -> None:
    from lucency.classification.compare_report import SHORT_NAMES, basis, comparison_tables
    from lucency.evaluation.terminal_tables import grid

    console.print(basis(found), highlight=False)
    for table in comparison_tables(found):
        # The best epoch stands on the page; here it would not fit.
        shown = len(table.columns) - ("best epoch" in table.columns)
        console.print(grid(table, short_names=SHORT_NAMES, most=shown))
        console.print(table.caption, highlight=False, style="dim")
