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


class LucencyError(Exception):
    """A mistake in the input that the user can mend."""


class AnnotationError(LucencyError):
    """An annotation file, or a finding in it, that cannot be read as it stands."""


class DatasetError(LucencyError):
    """A data set on disk that is incomplete or contradicts itself."""


class LeakageError(DatasetError):
    """One patient stands in two splits, so test figures would be too good."""


class ImageError(LucencyError):
    """An image that is missing, truncated, of an unknown format or beyond the limits."""


class ConfigError(LucencyError):
    """A configuration file or command-line value that is wrong."""


class BundleError(LucencyError):
    """A model bundle that is incomplete, altered or made for something else."""
