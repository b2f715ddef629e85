"""Agreement between annotators as a table, as lines of text, and as JSON."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lucency.annotations.agree import Agreement, Disagreement, PairAgreement
from lucency.annotations.findings import Finding

if TYPE_CHECKING:
    from rich.table import Table

# So many disputed images are told in the text; all of them stand in the JSON.
_TOLD = 20


def agreement_tables(pair: PairAgreement) -> "Iterator[Table]":
    """Two tables with one row a label and one for all: the boxes, and the whole images."""
    title = f"{pair.first} and {pair.second}, {_images(pair)}"
    rows = [*pair.by_label, pair.overall]
    boxes = (pair.first, pair.second, "matched", "F1", "mean IoU")
    yield _table(f"{title}: boxes", boxes, rows, _box_cells)
    images = ("both", f"only {pair.first}", f"only {pair.second}", "neither", "kappa")
    yield _table(f"{title}: marked or not", images, rows, _image_cells)


def dispute_lines(pair: PairAgreement) -> Iterator[str]:
    """The worst images first, one a line; the rest are counted."""
    if not pair.disagreements:
        yield f"{pair.first} and {pair.second} agree on every image."
        return
    yield f"In dispute, the worst first: {len(pair.disagreements):,} of {_images(pair)}"
    for told in pair.disagreements[:_TOLD]:
        yield f"  {told.image}: {_dispute(told, pair)}"
    if len(pair.disagreements) > _TOLD:
        yield f"  and {len(pair.disagreements) - _TOLD:,} more; --json FILE has them all"


def agreement_json(pairs: Sequence[PairAgreement], *, iou: float) -> str:
    """Every figure and every dispute."""
    report = {"iou": iou, "pairs": [_pair(pair) for pair in pairs]}
    return json.dumps(report, ensure_ascii=False, indent=1) + "\n"


def _images(pair: PairAgreement) -> str:
    return f"{pair.images:,} image{'s' * (pair.images != 1)}"


def _table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Agreement],
    cells: Callable[[Agreement], Sequence[str]],
) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    table.add_column("label", overflow="fold")
    for name in columns:
        table.add_column(escape(name), justify="right", overflow="fold")
    for row in rows:
        table.add_row(escape(row.label) or "all", *cells(row), end_section=row in rows[-2:-1])
    return table


def _box_cells(row: Agreement) -> list[str]:
    counts = [f"{count:,}" for count in (*row.boxes, row.matched)]
    return [*counts, _figure(row.f1), _figure(row.mean_iou)]


def _image_cells(row: Agreement) -> list[str]:
    counts = (row.both, row.only_first, row.only_second, row.neither)
    return [*(f"{count:,}" for count in counts), _figure(row.kappa)]


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _dispute(told: Disagreement, pair: PairAgreement) -> str:
    parts = [
        f"only {who}: {', '.join(map(_place, findings))}"
        for who, findings in ((pair.first, told.only_first), (pair.second, told.only_second))
        if findings
    ]
    parts += [f"{_place(a)} is {b.label} for {pair.second}" for a, b in told.relabelled]
    return "; ".join(parts)


def _place(finding: Finding) -> str:
    box = finding.box
    digits = 3 if box.x2 <= 1 and box.y2 <= 1 else 0  # fractions of the image, or pixels
    corners = (f"{value:.{digits}f}" for value in (box.x1, box.y1, box.x2, box.y2))
    return f"{finding.label} [{', '.join(corners)}]"


def _pair(pair: PairAgreement) -> dict[str, Any]:
    return {
        "first": pair.first,
        "second": pair.second,
        "images": pair.images,
        "all": _figures(pair.overall),
        "labels": {row.label: _figures(row) for row in pair.by_label},
        "disputes": [
            {
                "image": told.image,
                "one_sided": told.one_sided,
                "only_first": [_finding(finding) for finding in told.only_first],
                "only_second": [_finding(finding) for finding in told.only_second],
                "relabelled": [[_finding(a), _finding(b)] for a, b in told.relabelled],
            }
            for told in pair.disagreements
        ],
    }


def _figures(row: Agreement) -> dict[str, Any]:
    return {
        "boxes_first": row.boxes[0],
        "boxes_second": row.boxes[1],
        "matched": row.matched,
        "f1": row.f1,
        "mean_iou": row.mean_iou,
        "images_both": row.both,
        "images_only_first": row.only_first,
        "images_only_second": row.only_second,
        "images_neither": row.neither,
        "kappa": row.kappa,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    box = finding.box
    return {"label": finding.label, "box": [box.x1, box.y1, box.x2, box.y2]}
