"""Sizes, kinds and exposure of a set's images, and the files that are not what the table says."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from lucency.datasets.histograms import Histogram, even_edges, histogram
from lucency.datasets.survey_images import ImageFacts, ImageLook
from lucency.datasets.survey_metadata import file_kind

# The median absolute deviation of a normal distribution, times this, is its standard deviation.
_NORMAL = 1.4826
# Exposure outliers: so many robust standard deviations from the median, or nearly black or white.
_OUTLYING = 3.5
_BLACK, _WHITE = 8.0, 247.0
# So small a deviation is that of a set which was normalised, and no measure of outliers.
_LEAST_DEVIATION = 4.0
_MOST_SIZES = 300
_FIELD_MARGIN = 0.02
# The codes of files that can be decoded, but are not those of the table.
OTHER_SIZE, OTHER_DIGEST, NO_DIGEST = CHANGED_FILES = ("other-size", "other-digest", "no-digest")


@dataclass(frozen=True)
class KindCount:
    """One way to store images: how many are stored so, and the medians of their files.

    ``used_bits`` are the fewest and the most that the values of an image need.
    """

    name: str
    images: int
    used_bits: tuple[int, int]
    median_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class ExposureOutlier:
    """An image that is far darker or brighter than the others: mean grey 0 to 255."""

    image: str
    mean_grey: float


@dataclass(frozen=True)
class FileProblem:
    """A file that cannot be used, or is not the one that the table describes."""

    image: str
    reason: str
    fault: str


@dataclass(frozen=True)
class PixelSurvey:
    """What the decoded images are like. Sizes in pixels, grey levels 0 to 255 as displayed.

    ``sizes`` are width, height and images, the most frequent first; beyond 300 different ones
    width and height are rounded, and ``sizes_rounded_to`` says to what. ``margins`` counts the
    images of which more than 2 % of the area was not exposed.
    """

    readable: int
    different_sizes: int
    sizes: tuple[tuple[int, int, int], ...]
    sizes_rounded_to: int
    median_wh: tuple[int, int] | None
    smallest_wh: tuple[int, int] | None
    largest_wh: tuple[int, int] | None
    kinds: tuple[KindCount, ...]
    grey: Histogram
    darkest: tuple[ExposureOutlier, ...]
    brightest: tuple[ExposureOutlier, ...]
    blank: tuple[str, ...]
    margins: int
    median_field_share: float | None


def survey_pixels(facts: Sequence[ImageFacts]) -> PixelSurvey:
    """Count sizes and kinds, and look for exposures that stand apart."""
    sizes = [fact.size_wh for fact in facts]
    by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    counted, rounded_to = _counted(sizes)
    dark, bright = _exposure_outliers(facts)
    shares = [fact.field_share for fact in facts]
    widths, heights = [size[0] for size in sizes], [size[1] for size in sizes]
    return PixelSurvey(
        readable=len(facts),
        different_sizes=len(set(sizes)),
        sizes=counted,
        sizes_rounded_to=rounded_to,
        median_wh=(round(median(widths)), round(median(heights))) if sizes else None,
        smallest_wh=by_area[0] if sizes else None,
        largest_wh=by_area[-1] if sizes else None,
        kinds=_kinds(facts),
        grey=histogram([fact.mean_grey for fact in facts], even_edges(0, 256, 32)),
        darkest=dark,
        brightest=bright,
        blank=tuple(str(fact.record.image) for fact in facts if fact.blank),
        margins=sum(share < 1 - _FIELD_MARGIN for share in shares),
        median_field_share=round(median(shares), 4) if shares else None,
    )


def file_problems(look: ImageLook) -> tuple[FileProblem, ...]:
    """Images that cannot be decoded, then those whose size or digest is not the table's."""
    found = [
        FileProblem(str(image.record.image), image.reason, image.fault) for image in look.unreadable
    ]
    for fact in look.facts:
        width, height = fact.size_wh
        record = fact.record
        if fact.size_differs:
            text = f"is {width} × {height} px, and in the table {record.width} × {record.height}"
            found.append(FileProblem(str(record.image), text, OTHER_SIZE))
        elif fact.digest_differs:
            text = "is another file than when the set was made: its SHA-256 differs"
            found.append(FileProblem(str(record.image), text, OTHER_DIGEST))
        elif not record.sha256:
            text = "has no SHA-256 in the table, so it is not compared with the others"
            found.append(FileProblem(str(record.image), text, NO_DIGEST))
    return tuple(found)


def _counted(sizes: Sequence[tuple[int, int]]) -> tuple[tuple[tuple[int, int, int], ...], int]:
    """Sizes with their counts, rounded to as coarse a grid as their number asks for."""
    step = 1
    counts = Counter(sizes)
    while len(counts) > _MOST_SIZES:
        step *= 2 if step > 1 else 16
        counts = Counter(
            (max(step, round(w / step) * step), max(step, round(h / step) * step)) for w, h in sizes
        )
    order = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple((width, height, count) for (width, height), count in order), step


def _kinds(facts: Sequence[ImageFacts]) -> tuple[KindCount, ...]:
    groups: defaultdict[str, list[ImageFacts]] = defaultdict(list)
    for fact in facts:
        groups[file_kind(fact)].append(fact)
    counts = [
        KindCount(
            name=name,
            images=len(group),
            used_bits=(min(f.used_bits for f in group), max(f.used_bits for f in group)),
            median_bytes=round(median(fact.file_bytes for fact in group)),
            total_bytes=sum(fact.file_bytes for fact in group),
        )
        for name, group in groups.items()
    ]
    return tuple(sorted(counts, key=lambda kind: (-kind.images, kind.name)))


def _exposure_outliers(
    facts: Sequence[ImageFacts],
) -> tuple[tuple[ExposureOutlier, ...], tuple[ExposureOutlier, ...]]:
    """The darkest first, and the brightest first."""
    if not facts:
        return (), ()
    middle = median(fact.mean_grey for fact in facts)
    deviation = _NORMAL * median(abs(fact.mean_grey - middle) for fact in facts)
    reach = _OUTLYING * max(deviation, _LEAST_DEVIATION)
    low, high = max(middle - reach, _BLACK), min(middle + reach, _WHITE)
    found = [ExposureOutlier(str(fact.record.image), fact.mean_grey) for fact in facts]
    found.sort(key=lambda outlier: (outlier.mean_grey, outlier.image))
    dark = tuple(outlier for outlier in found if outlier.mean_grey < low)
    bright = tuple(outlier for outlier in reversed(found) if outlier.mean_grey > high)
    return dark, bright
