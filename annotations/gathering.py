"""Reading annotations once, or again where an image turns out late to be no part of the set."""

from collections.abc import Callable, Iterable

from lucency.annotations.assembly import AssembledImage, Assembly, AssemblyRules, Progress
from lucency.annotations.findings import ImageAnnotation
from lucency.annotations.ledger import Ledger
from lucency.annotations.locating import Locator, Refusal


def assembled(
    read: Callable[[Ledger], Iterable[ImageAnnotation]],
    locator: Callable[[], Locator],
    rules: AssemblyRules,
    *,
    negatives: Iterable[str] = (),
    unlisted: Iterable[str] = (),
    progress: Progress | None = None,
) -> tuple[list[AssembledImage], Ledger]:
    """Bring what ``read`` yields together with its images; the books balance.

    ``read`` tells the ledger of every box, as the reader of a format does; it is called again, with
    new books, if an image had to be left out after some of its annotations were taken in.
    ``negatives`` are paths of images known to show nothing, ``unlisted`` paths of further images.
    """
    negatives, unlisted = list(negatives), list(unlisted)
    refused: dict[str, Refusal] = {}
    while True:
        ledger = Ledger()
        assembly = Assembly(locator(), rules, ledger, refused=refused)
        images = assembly.take_in(
            read(ledger), negatives=negatives, unlisted=unlisted, progress=progress
        )
        if not assembly.incomplete:
            break
        refused = assembly.refused
    for entry in images:
        ledger.images[entry.status] += 1
    return images, ledger
