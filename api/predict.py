"""The service's analysis for files: several at once, in order, one that is refused among them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from lucency.api.asking import Asked
from lucency.api.pipeline import Pipeline
from lucency.api.prediction_files import Outputs, labels_of, open_outputs
from lucency.api.prediction_names import ImageFile
from lucency.api.prediction_outcomes import Outcome
from lucency.api.prediction_pictures import class_colours, draw_pictures
from lucency.api.prediction_table import ClosingTable
from lucency.configs.errors import ImageError
from lucency.datasets.parallel import in_order
from lucency.datasets.radiographs import read_bytes
from lucency.evaluation.pictures import Rgb


def predict_files(
    pipeline: Pipeline,
    images: Sequence[ImageFile],
    *,
    asked: Asked,
    outputs: Outputs,
    at_once: int,
) -> ClosingTable:
    """Analyse files, ``at_once`` of them at the same time; outputs are in the order of the files.

    A file that is refused does not stop the rest. An interruption leaves no output behind but the
    JSON lines written so far, under another name (`json_lines`).

    Raises
    ------
    ConfigError
        What is asked for does not fit the models, or an output cannot be written.
    AnnotationError
        The COCO file whose ids are to be used cannot be read.

    """
    labels = labels_of(pipeline.bundles)
    colours = class_colours(labels.classes) if outputs.pictures is not None else None
    analyze = partial(_outcome, pipeline=pipeline, asked=asked, colours=colours)
    table = ClosingTable()
    with (
        open_outputs(outputs, images=images, labels=labels, notes=table.notes) as write,
        _progress_bar(len(images)) as advance,
        closing(in_order(analyze, images, workers=at_once)) as outcomes,
    ):
        for outcome in outcomes:
            write(outcome)
            table.add(outcome)
            advance()
    return table


def _outcome(
    image: ImageFile,
    *,
    pipeline: Pipeline,
    asked: Asked,
    colours: Mapping[str, Rgb] | None,
) -> Outcome:
    """One file, analysed and drawn in a thread of its own."""
    try:
        analysis = pipeline.analyze(read_bytes(image.path), name=str(image.path), asked=asked)
    except ImageError as error:
        return Outcome(image, error=str(error), fault=error.fault)
    pictures = () if colours is None else tuple(draw_pictures(analysis, colours=colours))
    return Outcome(image, report=analysis.report, pictures=pictures)


@contextmanager
def _progress_bar(total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr with rate and time left; yields what is called after each file."""
    columns = (
        TextColumn("Analysing"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)


class _Rate(ProgressColumn):
    """Images a second over the last half minute."""

    def render(self, task: Task) -> Text:
        """The figure, once there is one."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "–/s", style="progress.data.speed")
