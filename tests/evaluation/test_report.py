"""The page: everything on it, nothing outside it, nothing unescaped."""

import base64
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from lucency.configs.bundle import RESEARCH_USE
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.pictures import encode_jpeg
from lucency.evaluation.plots import confusion_plot
from lucency.evaluation.report import (
    EvaluationReport,
    GalleryItem,
    GallerySection,
    LegendEntry,
    Picture,
    Section,
    Table,
    format_cell,
    format_interval,
    link_to,
    p_value_cell,
    render_report,
    write_json,
    write_report,
)

JPEG = encode_jpeg(np.zeros((8, 8), np.uint8))
SVG = confusion_plot(np.eye(2, dtype=np.int64), names=("no", "yes"))


@pytest.fixture
def report():
    figures = Section(
        "Figures",
        "All of them.",
        [Picture("Confusion", SVG, "At the balanced point.")],
        [
            Table(
                "Average precision",
                ("Class", "AP50", "Findings"),
                [("fracture", Estimate(0.43512, 0.4, 0.5), 91), ("lesion", None, 0)],
                caption="By pycocotools.",
            )
        ],
    )
    galleries = [
        GallerySection(
            "Misses",
            "Largest first.",
            [
                GalleryItem(
                    JPEG, '"fracture" & <b>', name="IMG1.jpg", overview=JPEG, link="../a%20b.jpg"
                )
            ],
            [LegendEntry("#f5b00a", "missed finding", dashed=True)],
        ),
        GallerySection("False alarms", "", []),
    ]
    return EvaluationReport(
        title="Fracture detector",
        subtitle="FracAtlas, test split",
        facts={"Images": "82", "Bundle": "fracture-n <3f9a>"},
        headline={"mAP50": Estimate(0.43512, 0.41, 0.46), "AUC": None},
        sections=[
            figures,
            Section("Images", galleries=galleries),
            Section("Nothing more", on_basis=False),
        ],
        notes=["Thresholds flatter."],
        basis="82 images, 40 of them positive.",
    )


class Page(HTMLParser):
    """The texts, the addresses and the tags of a page; every tag must be closed in order."""

    def __init__(self, html):
        super().__init__()
        self.texts, self.addresses, self.anchors, self.tags, self.open = [], [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "srcset"}]
        self.anchors += [value for name, value in attrs if name == "href"]
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_has_all_of_it(report):
    page = Page(render_report(report))
    assert page.open == []
    text = " ".join(" ".join(page.texts).split())
    for expected in (
        "Fracture detector",
        "FracAtlas, test split",
        RESEARCH_USE,
        "fracture-n <3f9a>",
        "0.435",
        "lesion –",
        "By pycocotools.",
        "At the balanced point.",
        "missed finding",
        'IMG1.jpg "fracture" & <b>',
        "False alarms None.",
        "Thresholds flatter.",
        "0.410 – 0.460",
        "0.400 – 0.500",
    ):
        assert expected in text
    # In the head, and with each section that stands on it.
    assert text.count("82 images, 40 of them positive.") == 3
    assert page.tags.count("img") == 3
    assert page.anchors == ["#part-1", "#part-2", "#part-3", "../a%20b.jpg"]


def test_the_page_needs_nothing_beside_it(report):
    html = render_report(report)
    page = Page(html)
    assert len(page.addresses) == 3
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert not re.search(r"https?:|//\w|@import|url\(", re.sub(r'"data:[^"]*"', "", html))
    assert "script" not in page.tags
    assert "link" not in page.tags


def test_images_survive(report):
    found = re.findall(r'src="data:(image/[a-z+]+);base64,([^"]*)"', render_report(report))
    assert [(kind, base64.b64decode(data)) for kind, data in found] == [
        ("image/svg+xml", SVG),
        ("image/jpeg", JPEG),
        ("image/jpeg", JPEG),
    ]


def test_pictures_and_tables_speak_to_those_who_do_not_see_them(report):
    html = render_report(report)
    assert 'alt="Confusion. At the balanced point."' in html
    assert html.count('alt="') == html.count("<img ")
    assert '<th scope="col" class="number">AP50</th>' in html
    assert '<th scope="row">fracture</th>' in html


def test_markup_in_data_is_escaped():
    hostile = "<script>alert(1)</script>"
    section = Section(
        hostile,
        hostile,
        [Picture(hostile, SVG, hostile)],
        [Table(hostile, (hostile,), [(hostile,)], hostile)],
        [GallerySection(hostile, hostile, [GalleryItem(JPEG, hostile, name=hostile)])],
    )
    html = render_report(
        EvaluationReport(
            hostile,
            hostile,
            {hostile: hostile},
            {hostile: hostile},
            [section],
            [hostile],
            hostile,
        )
    )
    assert "<script" not in html
    assert html.count("&lt;script") > 10


def test_a_report_of_nothing_is_a_page():
    html = render_report(EvaluationReport("Nothing", "", {}, {}))
    assert "Nothing" in html
    assert "<table" not in html


def test_figures_align_right_and_names_left(report):
    html = render_report(report)
    assert '<td class="number">0.435 <span class="interval">0.400 – 0.500</span></td>' in html
    assert '<td class="number">–</td>' in html
    assert report.sections[0].tables[0].numeric == (False, True, True)
    assert Table("", ("a", "b"), []).numeric == (True, True)


def test_a_table_with_a_ragged_row_is_refused():
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        Table("AP", ("Class", "AP50"), [("fracture",)])


def test_an_unknown_image_is_refused_and_nothing_is_written(tmp_path):
    section = Section("s", figures=[Picture("p", b"GIF89a")])
    report = EvaluationReport("x", "", {}, {}, [section])
    with pytest.raises(ValueError, match="must be JPEG, PNG or SVG"):
        write_report(report, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_write_report(report, tmp_path):
    write_report(report, tmp_path / "new" / "report.html")
    text = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert text == render_report(report)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.12345, "0.123"),
        (np.float64(0.5), "0.500"),
        (7, "7"),
        (None, "–"),
        (math.nan, "–"),
        ("all", "all"),
        (Estimate(0.5, 0.4, 0.6), "0.500"),
        (Estimate(None), "–"),
    ],
    ids=str,
)
def test_cells(value, expected):
    assert format_cell(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Estimate(0.5, 0.41, 0.625), "0.410 – 0.625"),
        (Estimate(0.5), ""),
        (Estimate(None), ""),
        (0.5, ""),
        (None, ""),
    ],
    ids=str,
)
def test_intervals(value, expected):
    assert format_interval(value) == expected


def test_json_has_null_for_what_is_not_a_number(tmp_path):
    values = {
        "auc": math.nan,
        "inf": np.float64(np.inf),
        "counts": np.array([[1, 2], [3, 4]]),
        "name": "Läsion",
        "nested": {1: (np.int64(3), None, True)},
        "ap": Estimate(0.5, 0.25),
    }
    write_json(values, tmp_path / "metrics.json")
    assert json.loads((tmp_path / "metrics.json").read_bytes()) == {
        "auc": None,
        "inf": None,
        "counts": [[1, 2], [3, 4]],
        "name": "Läsion",
        "nested": {"1": [3, None, True]},
        "ap": {"value": 0.5, "low": 0.25, "high": None},
    }


def test_links_are_relative_to_the_folder_of_the_page(tmp_path):
    (tmp_path / "set").mkdir()
    image = tmp_path / "set" / "a b#.png"
    assert link_to(image, tmp_path / "out") == "../set/a%20b%23.png"


@pytest.mark.parametrize(("value", "cell"), [(None, None), (0.2, 0.2), (0.0, "< 0.001")])
def test_no_p_value_is_shown_as_nought(value, cell):
    assert p_value_cell(value) == cell


def test_a_tiny_p_value_is_a_figure_too():
    table = Table("t", ("figure", "p"), [("AUC", p_value_cell(0.0)), ("recall", 0.4)])
    assert table.numeric == (False, True)
