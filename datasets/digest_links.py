"""Images of documents that name them by digest, as feedback of the service does.

Whoever analyses an image knows its name, and the service does not: its feedback holds the SHA-256
of the bytes that were sent, and the image itself only where it was sent along.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from lucency.annotations.prelabels import OURS, Review
from lucency.datasets.originals import list_files

SHA256 = "sha256"


def link_by_digest(reviews: Iterable[Review], folder: Path, images: Path, gathered: Path) -> None:
    """Link the images of such documents into ``gathered``, beside where the documents will be.

    An image lies beside its document in ``folder``, or is a file below ``images`` of that digest,
    whatever its name. What is not found is left to the conversion to tell.
    """
    missing: dict[str, list[Path]] = {}
    for review in reviews:
        digest = _digest(review.document)
        if digest is None or "/" in review.annotation.image:
            continue
        name = Path(review.file.name).parent / review.annotation.image
        stored = folder / name
        if stored.is_file():
            _link(gathered / name, stored)
        elif not (images / review.annotation.image).is_file():
            missing.setdefault(digest, []).append(gathered / name)
    if missing:
        for path in list_files([images])[0]:
            try:
                with path.open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError:
                continue
            for link in missing.pop(digest, ()):
                _link(link, path)


def _link(link: Path, image: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(image.absolute())


def _digest(document: Mapping[str, object]) -> str | None:
    ours = document.get(OURS)
    digest = ours.get(SHA256) if isinstance(ours, dict) else None
    return digest if isinstance(digest, str) else None
