"""What plots share."""

import pytest

from lucency.evaluation.plot_style import COLOURS, STYLES, new_axes, style_of, svg_of


def test_curves_are_told_apart_until_colours_and_styles_run_out():
    different = len(COLOURS) * len(STYLES)
    assert len({style_of(number) for number in range(different)}) == different
    assert style_of(different) == style_of(0)


@pytest.mark.parametrize("square", [True, False], ids=["square", "free"])
def test_axes_are_from_0_to_1(square):
    figure, axes = new_axes("x", "y", square=square)
    assert axes.get_xlim() == (0.0, 1.0)
    assert axes.get_aspect() == (1.0 if square else "auto")
    again, _ = new_axes("x", "y", square=square)
    assert svg_of(figure) == svg_of(again)
