"""The one tree of exceptions.

::

    LucencyError
    ├── AnnotationError    an annotation file or a finding in it
    ├── DatasetError       a data set on disk
    │   └── LeakageError   a patient in two splits
    ├── ImageError         an image that cannot be decoded or displayed
    ├── ConfigError        a configuration or a command-line value
    └── BundleError        a model bundle

Every message is one line: where, what, what was found, how to mend it, for example
``scan.json: shapes[12].points: must be finite numbers, got [1, NaN]``. The command line prints
it and exits with status 1; the service answers it with a 4xx status.
"""

from enum import StrEnum


class ImageFault(StrEnum):
    """Why an image is refused; stable, so that applications can tell the cases apart."""

    UNREADABLE = "unreadable"  # the file cannot be opened
    UNKNOWN_FORMAT = "unknown-format"  # neither PNG, JPEG, TIFF nor DICOM
    TRUNCATED = "truncated"  # the picture ends early
    DAMAGED = "damaged"
    NO_PIXELS = "no-pixels"  # a side of 0, or an object without an image
    TOO_LARGE = "too-large"  # bytes or pixels beyond the limits
    SEVERAL_FRAMES = "several-frames"  # one of them must be named
    NO_SUCH_FRAME = "no-such-frame"
    COLOUR = "colour"
    PALETTE = "palette"
    DEPTH = "unsupported-depth"  # bits or number format
    SYNTAX = "unsupported-syntax"  # a compression without decoder
    HEADER = "bad-header"  # an attribute is missing or contradicts another
    TIMEOUT = "timeout"  # decoding took too long
    MEMORY = "out-of-memory"
    CRASHED = "decoder-crashed"
    NO_RADIOGRAPH = "no-radiograph"  # of the chest or of bones, as far as the router can tell
    NO_MODEL = "no-model"  # none of the loaded models is for such a radiograph


class LucencyError(Exception):
    """A mistake in the input that the user can mend."""


class AnnotationError(LucencyError):
    """An annotation file, or a finding in it, that cannot be read as it stands."""


class DatasetError(LucencyError):
    """A data set on disk that is incomplete or contradicts itself."""


class LeakageError(DatasetError):
    """One patient stands in two splits, so test figures would be too good."""


class ImageError(LucencyError):
    """An image that is missing, truncated, of an unknown format or beyond the limits.

    ``fault`` says why in one stable word.
    """

    def __init__(self, message: str, fault: ImageFault = ImageFault.DAMAGED) -> None:
        super().__init__(message)
        self.fault = fault


class ConfigError(LucencyError):
    """A configuration file or command-line value that is wrong."""


class BundleError(LucencyError):
    """A model bundle that is incomplete, altered or made for something else."""
