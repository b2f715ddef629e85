"""What a user can choose, mostly of a conversion; apart from the work, since `--help` shows it."""

from enum import StrEnum


class Geometry(StrEnum):
    """What is kept of a finding's shape."""

    BOX = "box"
    ROTATED = "rotated"
    OUTLINE = "outline"


class Edge(StrEnum):
    """What becomes of a box that reaches beyond its image."""

    CLIP = "clip"
    KEEP = "keep"
    ERROR = "error"


class Readers(StrEnum):
    """What is made of several readers' boxes of one image."""

    ALL = "all"
    UNION = "union"
    MAJORITY = "majority"
    WBF = "wbf"


class KindAsked(StrEnum):
    """What an image shows, for the service: the router's answer, the caller's, or never asked."""

    AUTO = "auto"
    CHEST = "chest"
    BONE = "bone"
    ANY = "any"
