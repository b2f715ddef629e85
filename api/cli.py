"""The `lucency` command: puts the folders' subcommands together and prints errors as one line."""

import signal
import sys
from types import FrameType

import typer

from lucency.configs.errors import LucencyError


def build_app() -> typer.Typer:
    """The command line with every subcommand; heavy libraries load only inside a command."""
    from lucency.annotations import commands as annotations
    from lucency.api import (
        audit_command,
        demo_command,
        embed_commands,
        evaluate_commands,
        experiment_commands,
        explain_commands,
        export_commands,
        fusion_commands,
        key_command,
        labelling_commands,
        predict_command,
        serve_command,
        train_commands,
    )
    from lucency.datasets import commands as datasets
    from lucency.datasets import import_command, split_command
    from lucency.evaluation import commands as evaluation
    from lucency.evaluation import explore_command

    app = typer.Typer(
        name="lucency",
        help="From annotated radiographs to boxes out of a service. For research use only; "
        "not for diagnosis.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_version)
    for command in (
        demo_command.demo,
        annotations.convert,
        annotations.formats,
        import_command.import_,
        evaluation.check,
        explore_command.explore,
        labelling_commands.prepare,
        labelling_commands.collect,
        labelling_commands.agree,
        split_command.split,
        datasets.render,
        datasets.phantoms,
        train_commands.train,
        train_commands.tune,
        experiment_commands.cross_validate,
        experiment_commands.compare,
        export_commands.export,
        evaluate_commands.evaluate,
        fusion_commands.fuse,
        predict_command.predict,
        explain_commands.explain,
        embed_commands.embed,
        serve_command.serve,
        key_command.key,
        audit_command.audit,
    ):
        app.command(command.__name__.rstrip("_").replace("_", "-"))(command)
    return app


def main() -> None:
    """Run the command line; what is not the program's fault ends with one line and status 1."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        build_app()()
    except LucencyError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:  # `lucency … | head`
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"error: {where}{error.strerror or error}", err=True)
        sys.exit(1)


def _terminated(number: int, frame: FrameType | None) -> None:
    """Unwind, so that unfinished folders are removed; the service has a handler of its own."""
    raise SystemExit(128 + number)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"lucency {version('lucency')}")
        raise typer.Exit


def _version(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    return
