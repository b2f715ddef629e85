import json
from pathlib import PurePath

import pytest

from lucency.annotations.ledger import LOSSES, Ledger, Outcome, Reason, reasons_from
from lucency.configs.errors import AnnotationError, ConfigError

FILE = PurePath("root/a.json")


def filled() -> Ledger:
    """Five boxes: two written, one clipped, one merged, one dropped."""
    ledger = Ledger(PurePath("root"))
    ledger.expect(FILE, 5)
    ledger.written(FILE, "fracture", 2)
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
    with pytest.raises(RuntimeError, match=r"a\.json: 6 boxes in, but 5"):
        ledger.check()


def test_a_box_told_twice_is_a_bug() -> None:
    ledger = filled()
    ledger.written(FILE, "fracture")
    with pytest.raises(RuntimeError, match="5 boxes in, but 6"):
        ledger.check()


def test_a_loss_is_refused_in_one_line_and_allowed_by_name() -> None:
    ledger = filled()
    with pytest.raises(AnnotationError) as caught:
        ledger.refuse_losses(())
    assert str(caught.value) == (
        "zero-area: 1 box (a.json: shapes[3]: because); "
        "mend the source, or leave them out with --allow zero-area"
    )
    ledger.refuse_losses({Reason.ZERO_AREA})


def test_clipping_and_merging_are_never_refused() -> None:
    ledger = Ledger(PurePath("root"))
    ledger.note(FILE, image="a.png", reason=Reason.SCALED, detail="")
    assert Reason.BEYOND_EDGE not in LOSSES
    assert Reason.DUPLICATE not in LOSSES
    ledger.refuse_losses(())


def test_json_tells_every_box_that_was_changed() -> None:
    books = json.loads(json.dumps(filled().to_json()))
    assert books["boxes"]["dropped_by_reason"] == {"zero-area": 1}
    assert books["files"]["a.json"]["in"] == 5
    outcomes = [entry["outcome"] for entry in books["box_entries"]]
    assert outcomes == ["clipped", "merged", "dropped"]
    assert books["box_entries"][2]["index"] == "shapes[3]"


def test_paths_outside_the_root_keep_only_their_name() -> None:
    assert Ledger(PurePath("root")).name(PurePath("/home/someone/a.json")) == "a.json"


@pytest.mark.parametrize("name", ["nonsense", "duplicate"], ids=["unknown", "never refused"])
def test_allow_must_name_a_loss(name: str) -> None:
    with pytest.raises(ConfigError, match=f"--allow {name}: no such reason"):
        reasons_from([name])
