"""What a training shows in the terminal."""

import pytest

from lucency.detection.progress import curve_line, epoch_row, sparkline, training_progress
from lucency.detection.run_folder import MAP50, MAP50_95, PRECISION, RECALL, TrainingProgress

METRICS = {
    PRECISION: 0.5, RECALL: 0.25, MAP50: 0.345, MAP50_95: 0.123,
    "val/box_loss": 1.5, "val/cls_loss": 2.25,
}  # fmt: skip


def progress(epoch: int, batch: int = 4, **metrics: float) -> TrainingProgress:
    return TrainingProgress(epoch, 10, batch, 4, loss=3.125, metrics=metrics)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 1.0], "▁█"), ([3.0, 2.0, 1.0], "█▅▁"), ([2.0, 2.0], "▁▁"), ([5.0], "▁")],
    ids=["up", "down", "level", "one"],
)
def test_sparkline(values: list[float], expected: str) -> None:
    assert sparkline(values) == expected


def test_a_curve_fits_the_terminal_and_tells_the_range_of_all() -> None:
    values = [float(value) for value in range(100)]
    line = curve_line("loss", values)
    assert len(line) <= 80
    assert "99.000  (0.000 to 99.000)" in line
    assert curve_line("loss", []).strip() == "loss"


def test_an_epoch_is_a_row_of_80_columns() -> None:
    row = epoch_row(progress(7, **METRICS))
    assert row.startswith("epoch   7/10  loss 3.12  val 3.75  P 0.50  R 0.25")
    assert row.endswith("mAP50 0.345  mAP50-95 0.123")
    assert len(row.replace("7/10", "7/100")) <= 80


def test_where_there_is_no_terminal_only_rows_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with training_progress("limbs", history=[METRICS]) as (_, on_progress):
        for batch in range(1, 5):
            on_progress(progress(2, batch))
        on_progress(progress(2, **METRICS))
        on_progress(progress(3, **METRICS))
    lines = capsys.readouterr().out.split("\n")
    assert [line[:11] for line in lines if line.strip()] == ["epoch   2/1", "epoch   3/1"]
