"""`lucency key`: a key for an application that asks the service."""

from typing import Annotated

import typer


def key(
    name: Annotated[
        str, typer.Argument(help="Who is to use it; stands in the log and the audit file.")
    ],
) -> None:
    """Make an API key: the key on stderr, once, and its line for the file of keys on stdout.

    `lucency key NAME >> keys` adds it to a file that `lucency serve --api-keys-file keys` reads.
    """
    from lucency.api.keys import key_line, new_key

    made = new_key()
    line = key_line(name, made)
    typer.echo(f"The key of {name}, which is shown only now: {made}", err=True)
    typer.echo(line)
