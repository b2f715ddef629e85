"""Tables and pictures in Markdown."""

from collections.abc import Iterable, Sequence


def markdown_picture(title: str, part: str, pictures: Sequence[str]) -> str:
    """The pictures that have ``part`` in their file name."""
    return "\n".join(f"![{title}]({name})" for name in pictures if part in name)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; what would end a cell is replaced."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
