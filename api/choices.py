"""What a caller can choose of an analysis; apart from the work, since `--help` shows it."""

from enum import StrEnum


class KindAsked(StrEnum):
    """What an image shows: the router's answer, the caller's, or not to be asked."""

    AUTO = "auto"
    CHEST = "chest"
    BONE = "bone"
    ANY = "any"
