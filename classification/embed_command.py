"""What `lucency embed` does: a folder with the map and its table, the probes in the terminal."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from lucency.annotations.records import Dataset
    from lucency.classification.classifier import Classifier
    from lucency.classification.embed import Embedding
    from lucency.classification.feature_probe import Probe

PAGE, TABLE = "embedding.html", "embedding.csv"
BOTH = "both"


@dataclass(frozen=True)
class EmbedOptions:
    """What `lucency embed` was asked for, besides the model, the set and the folder."""

    split: str = "val"
    method: str = BOTH
    columns: tuple[str, ...] = ()
    seed: int = 0


def embed_set(model: str, dataset: Path, out: Path, options: EmbedOptions) -> None:
    """Place the images of a split on a map by the classifier's features, and probe these."""
    from rich.console import Console

    from lucency.annotations.records import read_dataset
    from lucency.classification.classifier import open_classifier
    from lucency.classification.embed_page import embedding_csv, render_embedding_page
    from lucency.classification.feature_probe import check_columns
    from lucency.configs import atomic

    atomic.refuse_existing(out)
    data = read_dataset(dataset)
    columns = tuple(dict.fromkeys(options.columns))
    check_columns(data, columns)
    classifier = open_classifier(model)
    console = Console()
    with atomic.new_folder(out) as folder:
        found = _embedded(classifier, data, options, console)
        probes = _probes(found, columns, options.seed, console)
        manifest = classifier.manifest
        atomic.write_text(folder / TABLE, embedding_csv(found, manifest, columns))
        page = render_embedding_page(
            found, manifest, dataset=data.root.resolve().name, columns=columns, probes=probes
        )
        atomic.write_text(folder / PAGE, page)
    _tell(found, probes, console)
    console.print(f"{out / PAGE} shows each image at its point.", highlight=False, markup=False)


def _embedded(
    classifier: "Classifier", data: "Dataset", options: EmbedOptions, console: "Console"
) -> "Embedding":
    from rich.progress import Progress

    from lucency.classification.embed import METHODS, embed
    from lucency.classification.embed_page import METHOD_NAMES

    with Progress(transient=True, console=console) as progress:
        bar = progress.add_task(f"Classifying '{options.split}'", total=None)
        return embed(
            classifier,
            data,
            options.split,
            methods=METHODS if options.method == BOTH else (options.method,),
            seed=options.seed,
            on_image=lambda done, total: progress.update(bar, completed=done, total=total),
            on_method=lambda method: progress.update(
                bar, description=f"Placing by {METHOD_NAMES[method]}", total=None
            ),
        )


def _probes(
    found: "Embedding", columns: tuple[str, ...], seed: int, console: "Console"
) -> tuple["Probe", ...]:
    from lucency.classification.feature_probe import column_of, patients_of, probe

    patients = patients_of(found.records)
    with console.status("Asking the features for the columns …"):
        return tuple(
            probe(
                found.features,
                column_of(found.records, column),
                patients,
                column=column,
                seed=seed,
            )
            for column in columns
        )


def _tell(found: "Embedding", probes: tuple["Probe", ...], console: "Console") -> None:
    """How many images were placed, and what their features tell."""
    from rich.markup import escape
    from rich.table import Table

    left_out = f"; {found.left_out:,} further ones left out" if found.left_out else ""
    console.print(f"{len(found):,} images of '{found.split}'{left_out}.", highlight=False)
    if not probes:
        return
    table = Table(title="What a linear probe tells from the features")
    for name in ("column", "values", "images", "accuracy", "most frequent value"):
        table.add_column(name, justify="left" if name == "column" else "right")
    for one in probes:
        figures = one.reason, ""
        if one.chance is not None:
            figures = str(one.accuracy), f"{one.chance:.3f}"
        table.add_row(escape(one.column), str(one.values), f"{one.images:,}", *figures)
    console.print(table)
