"""The files of a data set as it was downloaded and unpacked, however deep its own folder lies."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lucency.annotations import documents
from lucency.annotations.images import list_images
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source, SourceFile
from lucency.configs.errors import AnnotationError, ConfigError

# What macOS adds to a zip file: a copy of every name, with nothing of the image in it.
_RUBBISH = "__MACOSX"
_NAMES_AN_IMAGE = re.compile(r"[\d.]")


def images_below(folder: Path) -> list[str]:
    """The paths of all images below ``folder``, relative to it, those in the fewest folders first.

    Raises
    ------
    ConfigError
        There is no such folder.

    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    start = len(str(folder)) + 1
    paths = (path[start:] for path in list_images(folder) if _RUBBISH not in path.split("/"))
    return sorted(paths, key=lambda path: (path.count("/"), path))


def once(images: Iterable[str], key: Iterable[object], ledger: Ledger) -> Iterator[str]:
    """The images, the first of each ``key`` alone; how many copies there were becomes a hint.

    Some sets hold themselves a second time in a folder of the same name.
    """
    seen: set[object] = set()
    copies = []
    for image, its in zip(images, key, strict=True):
        if its in seen:
            copies.append(image)
        else:
            seen.add(its)
            yield image
    if copies:
        ledger.hints.append(
            f"the folder holds images twice: copies such as {copies[0]} ({len(copies):,}) were "
            "passed over"
        )


def files_below(folder: Path, *suffixes: str) -> list[SourceFile]:
    """All files below ``folder`` with these suffixes, those in the fewest folders first.

    Raises
    ------
    ConfigError
        There is no such folder.

    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    found = [file for file in Source(folder).files(*suffixes) if _RUBBISH not in file.name]
    return sorted(found, key=lambda file: (file.name.count("/"), file.name))


def last_part(path: str) -> str:
    """The file name in a path with forward slashes."""
    return path.rpartition("/")[2]


def stem_of(path: str) -> str:
    """The file name without its suffix."""
    name = last_part(path)
    return name.rpartition(".")[0] or name


def folder_of(path: str) -> str:
    """The folder in a path with forward slashes, ``.`` if there is none."""
    return path.rpartition("/")[0] or "."


def official_splits(
    lists: Iterable[SourceFile], *, name: Callable[[str], str] = stem_of
) -> dict[str, str]:
    """Image → split, from lists called ``train.csv`` or ``TBX11K_val.txt``.

    One image a line, in the first column; lists with another name, such as ``trainval``, are
    passed over. ``name`` makes of a path what tells the images apart.

    Raises
    ------
    AnnotationError
        A list is no text, or an image stands in the lists of two splits.

    """
    found: dict[str, str] = {}
    for file in lists:
        split = documents.split_named(stem_of(file.name).split("_"))
        if not split:
            continue
        for number, line in enumerate(documents.read_text(file).splitlines()):
            cell = line.partition(",")[0].strip().replace("\\", "/")
            if number == 0 and not _NAMES_AN_IMAGE.search(cell):
                continue  # a heading, such as `image_id`
            image = name(cell)
            if image and found.setdefault(image, split) != split:
                raise AnnotationError(
                    f"{file.name}: {image} stands in this list as well as in that of "
                    f"{found[image]}; remove it from one of them"
                )
    return found


def column_name(text: str) -> str:
    """A label or a folder's name as the name of a column: ``pleural_effusion``.

    Raises
    ------
    ConfigError
        Nothing of it can stand in a name.

    """
    name = re.sub(r"[\W_]+", "_", text.casefold()).strip("_")
    if not name:
        raise ConfigError(f"'{text}': must have a letter or a digit, to be the name of a label")
    return name


def not_the_set(folder: Path, title: str, expected: str) -> AnnotationError:
    """The error that a folder is not the data set called ``title``."""
    return AnnotationError(f"{folder}: does not look like {title}: expected {expected}")
