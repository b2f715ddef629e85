"""``lucency check``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from lucency.annotations.checks import Checkup

_EXAMPLES = 5


def check(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Data set, annotation file or folder.")
    ],
    images: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the images are, if not in SOURCE.")
    ] = None,
    from_format: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FORMAT", help="One of `lucency formats`; otherwise told by content."
        ),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Class names in their order, one a line.")
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="Do not tell what this rule finds. Repeatable."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write everything found as JSON.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page with pictures of the suspects."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", metavar="", help="Exit with status 1 for warnings, too.")
    ] = False,
) -> None:
    """Look for what is wrong or suspicious in a data set or annotations of any format.

    Nothing is changed. The exit status is 1 if there are errors.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from lucency.annotations.checks import check as check_set
    from lucency.annotations.convert import Options
    from lucency.annotations.problems import Severity, rules_from
    from lucency.annotations.yolo import read_class_file

    ignored = rules_from(ignore or [])
    _refuse_folders("--json", json)
    _refuse_folders("--html", html)
    names = read_class_file(classes) if classes else None
    options = Options(images=images, from_format=from_format, classes=names)
    console = Console()
    columns = (SpinnerColumn(), TextColumn("Looking at images: {task.completed}"))
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("images", total=None)
        checkup = check_set(
            source,
            options,
            ignore=ignored,
            patient_of=_patient_of,
            progress=lambda done: bar.update(task, completed=done),
        )
    _write(checkup, json=json, html=html)
    _tell(checkup, console)
    errors, warnings = checkup.count(Severity.ERROR), checkup.count(Severity.WARNING)
    if errors or (strict and warnings):
        raise typer.Exit(1)


def _refuse_folders(option: str, path: Path | None) -> None:
    """Before the work, and not after it; raises `ConfigError`."""
    from lucency.configs.errors import ConfigError

    if path is not None and (path.is_dir() or (path.parent.exists() and not path.parent.is_dir())):
        raise ConfigError(f"{option} {path}: must be a file, in a folder")


def _patient_of(path: Path) -> str:
    from lucency.configs.errors import LucencyError
    from lucency.datasets.dicom import read_patient_id

    try:
        return read_patient_id(path)
    except LucencyError:
        return ""


def _write(checkup: "Checkup", *, json: Path | None, html: Path | None) -> None:
    from lucency.configs.errors import ConfigError

    path = json
    try:
        if json is not None:
            from lucency.evaluation.report import write_json

            write_json(checkup.to_json(), json)
        if html is not None:
            from lucency.evaluation.check_page import write_check_page

            path = html
            write_check_page(checkup, html)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def _tell(checkup: "Checkup", console: "Console") -> None:
    """The table of rules, examples of each, and the closing line."""
    from lucency.annotations.findings import Status
    from lucency.annotations.problems import RULES, Severity

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    census, by_rule = checkup.census, checkup.by_rule()
    there = ", ".join(f"{census.status(status):,} {status}" for status in Status)
    unusable = f", {checkup.left_out:,} unusable" if checkup.left_out else ""
    say(f"{checkup.source}: {checkup.format.title}")
    say(f"Images: {there}{unusable}. Boxes: {census.boxes:,}; {_classes(checkup)}.")
    if by_rule:
        console.print(_rule_table(checkup))
    for rule, found in by_rule.items():
        say(f"{RULES[rule].severity} {rule}: {RULES[rule].advice}".rstrip(": "))
        for problem in found[:_EXAMPLES]:
            say(f"  {problem.place}: {problem.detail}" if problem.place else f"  {problem.detail}")
        if len(found) > _EXAMPLES:
            say(f"  … and {len(found) - _EXAMPLES:,} more")
    if checkup.ignored:
        told = ", ".join(f"{rule} {count:,}" for rule, count in checkup.ignored.items())
        say(f"ignored: {told}")
    errors, warnings = checkup.count(Severity.ERROR), checkup.count(Severity.WARNING)
    say(
        f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')} "
        f"in {_counted(len(checkup.images) + checkup.left_out, 'image')}"
    )


def _rule_table(checkup: "Checkup") -> "Table":
    from rich.table import Table

    from lucency.annotations.problems import RULES

    table = Table()
    for heading in ("severity", "rule"):
        table.add_column(heading, no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("what")
    for rule, found in checkup.by_rule().items():
        table.add_row(RULES[rule].severity, rule, f"{len(found):,}", RULES[rule].title)
    return table


def _classes(checkup: "Checkup") -> str:
    classes = checkup.census.classes
    names = ", ".join(f"{name} {count.boxes:,}" for name, count in list(classes.items())[:8])
    more = f" and {len(classes) - 8} more" if len(classes) > 8 else ""
    return f"classes: {names or 'none'}{more}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
