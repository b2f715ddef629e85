import pytest

from lucency.annotations.ledger import Ledger, Outcome, Reason, UnusableBox
from lucency.annotations.losses import LOSSES, reasons_from, refuse_losses
from lucency.configs.errors import AnnotationError, ConfigError

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


def test_a_loss_is_refused_in_one_line_and_allowed_by_name() -> None:
    ledger = filled()
    with pytest.raises(AnnotationError) as caught:
        refuse_losses(ledger, ())
    assert str(caught.value) == (
        "zero-area: 1 box (wrist/a.json: shapes[3]: because); "
        "mend the source, or leave them out with --allow zero-area"
    )
    refuse_losses(ledger, {Reason.ZERO_AREA})


def test_clipping_and_merging_are_never_refused() -> None:
    ledger = Ledger()
    ledger.note(FILE, image="a.png", reason=Reason.SCALED, detail="")
    assert Reason.DUPLICATE not in LOSSES
    refuse_losses(ledger, ())


def test_every_loss_is_told_with_an_example() -> None:
    ledger = filled()
    ledger.unusable(
        FILE,
        UnusableBox(Reason.NO_BOX, "shapes[4]: nothing"),
        image="a",
        index="shapes[4]",
        label="",
    )
    for name in "bc":
        ledger.leave_out(FILE, image=name, reason=Reason.MISSING_IMAGE, detail="no such image")
    with pytest.raises(AnnotationError) as caught:
        refuse_losses(ledger, {Reason.ZERO_AREA})
    assert str(caught.value) == (
        "no-box: 1 box (wrist/a.json: shapes[4]: nothing); missing-image: 2 images "
        "(b: no such image); mend the source, or leave them out with "
        "--allow no-box --allow missing-image"
    )
    assert ledger.left_out_by_reason() == {Reason.MISSING_IMAGE: 2}
    assert ledger.dropped_by_label()["fracture", Reason.ZERO_AREA] == 1


@pytest.mark.parametrize("name", ["nonsense", "duplicate"], ids=["unknown", "never refused"])
def test_allow_must_name_a_loss(name: str) -> None:
    with pytest.raises(ConfigError, match=f"--allow {name}: no such reason"):
        reasons_from([name])


def test_every_loss_can_be_allowed() -> None:
    assert reasons_from([str(reason) for reason in LOSSES]) == set(LOSSES)
