"""The plots of a survey: where bars and circles lie, and that nothing in them is markup."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from lucency.datasets.histograms import even_edges, histogram, log_edges
from lucency.evaluation.survey_plots import (
    HEAT_PX,
    count_plot,
    even_ticks,
    heat_map,
    histogram_plot,
    size_plot,
)


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 (our own)


def shapes(svg: str, tag: str) -> list[dict[str, str]]:
    return [dict(element.attrib) for element in parsed(svg).iter(tag)]


def test_heights_are_counts() -> None:
    svg = histogram_plot(histogram([0.5, 1.5, 1.5, 2.5], even_edges(0, 4, 4)), x_label="x")
    bars = shapes(svg, "rect")
    heights = [float(bar["height"]) for bar in bars]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.1)
    assert len(bars) == 3
    lefts = [float(bar["x"]) for bar in bars]
    assert lefts[2] - lefts[1] == pytest.approx(lefts[1] - lefts[0], abs=0.2)
    assert "1 to 2: 2" in svg
    assert "median 1.5" in svg


def test_logarithmic_bins_have_one_width() -> None:
    found = histogram([1, 3, 9, 20], log_edges(1, 81, 4), logarithmic=True)
    widths = [float(bar["width"]) for bar in shapes(histogram_plot(found, x_label="x"), "rect")]
    assert widths == pytest.approx([widths[0]] * len(widths), abs=0.2)


@pytest.mark.parametrize(
    "svg",
    [
        histogram_plot(histogram([], even_edges(0, 1, 4)), x_label="nothing"),
        count_plot({}, x_label="nothing"),
        size_plot([]),
    ],
    ids=["histogram", "counts", "sizes"],
)
def test_nothing_to_show(svg: str) -> None:
    assert shapes(svg, "rect") == []
    assert shapes(svg, "circle") == []


def test_circles_lie_at_width_and_height() -> None:
    wide, tall = shapes(size_plot([(400, 100, 5), (100, 400, 1)]), "circle")
    assert float(wide["cx"]) > float(tall["cx"])
    assert float(wide["cy"]) > float(tall["cy"])  # y runs downwards on the screen
    assert float(wide["r"]) > float(tall["r"])


def test_text_is_escaped() -> None:
    svg = count_plot({"<b>": 2}, x_label='"<i>&')
    assert "<b>" not in svg
    assert "<i>" not in svg
    assert parsed(svg).tag == "svg"


def test_ticks_are_round() -> None:
    assert even_ticks(0, 100, 5) == [0, 20, 40, 60, 80, 100]
    assert even_ticks(0, 7, 4) == [0, 2, 4, 6]
    assert even_ticks(0.3, 0.9, 3) == pytest.approx([0.4, 0.6, 0.8])


def test_heat_lies_where_the_boxes_are() -> None:
    counts = np.zeros((48, 48), np.int64)
    counts[24:, :12] = 9  # lower left
    mean = np.full((128, 128), 100, np.uint8)
    picture = heat_map(counts, mean, width_to_height=0.5)
    assert picture.shape == (HEAT_PX, HEAT_PX // 2, 3)
    rows, columns, _ = picture.shape
    hot = picture[int(0.7 * rows) : int(0.9 * rows), : int(0.2 * columns)].reshape(-1, 3)
    assert hot[:, 0].min() > 180
    cold = picture[: int(0.4 * rows)]
    assert np.ptp(cold.astype(int), axis=2).max() == 0  # grey


def test_no_boxes_and_no_images_have_no_heat() -> None:
    picture = heat_map(np.zeros((48, 48), np.int64), None, width_to_height=1.0)
    assert picture.max() == 0


def test_numbers_are_written_alike() -> None:
    svg = size_plot([(1000, 2000, 1)])
    assert "1,000 × 2,000 px: 1" in svg
    assert not re.search(r"\d\.\d\d", svg)
