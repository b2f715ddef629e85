"""What a training that is interrupted says before it ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def told_how_to_go_on(run: Path) -> Iterator[None]:
    """Say how the training in ``run`` goes on; SIGTERM arrives here as `SystemExit`."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if run.is_dir() and any(run.iterdir()):
            sys.stderr.write(
                f"\ninterrupted: {run} goes on from its last complete epoch with the same command "
                f"and --resume\n"
            )
        raise
