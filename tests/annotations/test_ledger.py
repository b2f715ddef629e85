import json
from collections.abc import Callable

import pytest

from lucency.annotations.ledger import (
    HARMLESS,
    Ledger,
    Outcome,
    Reason,
)

FILE = "wrist/a.json"


def filled() -> Ledger:
    """Five boxes: two written, one clipped, one merged, one dropped."""
    ledger = Ledger()
    ledger.expect(FILE, 5)
    ledger.written(FILE, {"fracture": 2})
    for outcome, reason in (
        (Outcome.CLIPPED, Reason.BEYOND_EDGE),
        (Outcome.MERGED, Reason.DUPLICATE),
        (Outcome.DROPPED, Reason.ZERO_AREA),
    ):
        ledger.changed(
            FILE,
            outcome,
            image="a.png",
            index="shapes[3]",
            label="fracture",
            reason=reason,
            detail="because",
        )
    return ledger


def test_the_totals_add_up() -> None:
    ledger = filled()
    ledger.check()
    assert ledger.totals() == {"in": 5, "written": 3, "clipped": 1, "merged": 1, "dropped": 1}
    assert ledger.lost_boxes(FILE, "a.png")
    assert not ledger.lost_boxes(FILE, "b.png")


def test_one_box_unaccounted_for_is_a_bug() -> None:
    ledger = filled()
    ledger.expect(FILE, 1)
    with pytest.raises(RuntimeError, match=r"wrist/a\.json: 6 boxes in, but 5"):
        ledger.check()


def test_a_box_told_twice_is_a_bug() -> None:
    ledger = filled()
    ledger.written(FILE, {"fracture": 1})
    with pytest.raises(RuntimeError, match="5 boxes in, but 6"):
        ledger.check()


def test_json_tells_every_box_that_was_changed() -> None:
    books = json.loads(json.dumps(filled().to_json()))
    assert books["boxes"]["dropped_by_reason"] == {"zero-area": 1}
    counts = {"in": 5, "written": 2, "clipped": 1, "merged": 1, "dropped": 1}
    assert books["files"] == {"wrist/a.json": counts}
    assert books["labels"] == {"fracture": {key: n for key, n in counts.items() if key != "in"}}
    outcomes = [entry["outcome"] for entry in books["box_entries"]]
    assert outcomes == ["clipped", "merged", "dropped"]
    assert books["box_entries"][2]["index"] == "shapes[3]"


def test_the_books_balance_file_by_file() -> None:
    ledger = Ledger()
    for source in "ab":
        ledger.expect(source, 1)
    ledger.written("a", {"fracture": 2})
    with pytest.raises(RuntimeError, match="boxes in, but"):
        ledger.check()


@pytest.mark.parametrize("tell", [Ledger.written, Ledger.expect], ids=["written", "expected"])
def test_a_file_of_one_side_alone_is_a_bug(tell: Callable[..., None]) -> None:
    ledger = filled()
    tell(ledger, "b.json", {"fracture": 1} if tell is Ledger.written else 1)
    with pytest.raises(RuntimeError, match=r"b\.json"):
        ledger.check()


@pytest.mark.parametrize(
    ("reason", "lost"),
    [
        (Reason.ZERO_AREA, True),
        (Reason.DROPPED_LABEL, False),
        (Reason.MINORITY, False),
        (Reason.BEYOND_EDGE, True),
    ],
)
def test_what_was_dropped_by_will_is_no_loss(reason: Reason, lost: bool) -> None:
    ledger = Ledger()
    ledger.drop("a", image="i", index="0", label="x", reason=reason, detail="")
    assert ledger.lost_boxes("a", "i") is lost
    assert (reason not in HARMLESS) is lost
