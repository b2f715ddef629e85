"""`lucency audit`: whether an audit file of the service is as it was written."""

from pathlib import Path
from typing import Annotated

import typer


def audit(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file that LUCENCY_AUDIT_FILE named.")
    ],
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="HASH",
            help="Hash of a record, noted earlier and kept elsewhere: it must still be there. "
            "Without it, nobody can tell that the end of the file was cut off.",
        ),
    ] = None,
) -> None:
    """Verify the chain of an audit file; names the line where it breaks, and ends with status 1."""
    from lucency.api.audit import AuditError
    from lucency.api.audit_check import verify_audit

    summary = verify_audit(file, expect=expect.strip().lower() if expect else None)
    for line in summary.torn_lines:
        typer.echo(f"note: line {line} was torn by a crash, as the record after it tells")
    if summary.records:
        times = f"from {summary.first_time} to {summary.last_time}"
        typer.echo(f"{summary.records} records hold, {times}; hash of the last of them:")
        typer.echo(summary.last_hash)
    else:
        typer.echo("no records" if summary.problem is None else "no record holds")
    if summary.problem is not None:
        problem = summary.problem
        raise AuditError(f"{file}: line {problem.line}: {problem.kind}: {problem.message}")
