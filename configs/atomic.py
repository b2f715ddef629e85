"""Files and folders that are complete or absent: written under a temporary name, then renamed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lucency.configs.errors import ConfigError


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write ``data`` to ``path`` so that no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` so that no reader ever sees half of it."""
    write_bytes(path, text.encode("utf-8"))


def refuse_existing(path: Path) -> None:
    """Make sure that ``path`` can become a new folder: nothing of the user's is overwritten.

    Raises
    ------
    ConfigError
        It exists already and is not an empty folder, or is one that cannot be replaced.

    """
    target = _target(path)
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise ConfigError(f"{path}: exists already; name a new folder or remove this one")
    if target.exists() and target.samefile(Path.cwd()):
        raise ConfigError(f"{path}: is the current folder; name a new one in it")
    if target.is_mount():
        raise ConfigError(f"{path}: is where a disk is mounted; name a new folder in it")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``path`` when the block ends without an error.

    Raises
    ------
    ConfigError
        ``path`` exists already and is not an empty folder, or the disk is full or refuses.

    """
    refuse_existing(path)
    target = _target(path)
    partial: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        yield partial
        partial.chmod(0o755)
        if target.exists():
            target.rmdir()
        partial.rename(target)
    except BaseException as error:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise ConfigError(f"{path}: cannot be written: {_reason(error, partial)}") from error
        raise


def _target(path: Path) -> Path:
    """The same path with a name of its own, which ``a/..`` has not."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - a link is not followed


def _reason(error: OSError, partial: Path | None) -> str:
    """What the system says, and of which file, if it is one that could not be read."""
    reason, file = error.strerror or str(error), str(error.filename or "")
    unread = isinstance(error, FileNotFoundError | PermissionError)
    ours = partial is None or file.startswith(str(partial))
    return f"{reason} ({file})" if file and unread and not ours else reason
