"""The page: everything on it, nothing outside it, nothing unescaped."""

import base64
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from lucency.configs.bundle import RESEARCH_USE
from lucency.evaluation.pictures import encode_jpeg
from lucency.evaluation.plots import confusion_plot
from lucency.evaluation.report import (
    EvaluationReport,
    GalleryItem,
    GallerySection,
    LegendEntry,
    Picture,
    Table,
    format_cell,
    render_report,
    write_json,
    write_report,
)

JPEG = encode_jpeg(np.zeros((8, 8), np.uint8))
SVG = confusion_plot(np.eye(2, dtype=np.int64), names=("no", "yes"))


@pytest.fixture
def report():
    return EvaluationReport(
        title="Fracture detector",
        subtitle="FracAtlas, test split",
        facts={"Images": "82", "Bundle": "fracture-n <3f9a>"},
        headline={"mAP50": 0.43512, "AUC": None},
        tables=[
            Table(
                "Average precision",
                ("Class", "AP50", "Findings"),
                [("fracture", 0.43512, 91), ("lesion", None, 0)],
                caption="By pycocotools.",
            )
        ],
        figures=[Picture("Confusion", SVG, "At the balanced point.")],
        gallery=[
            GallerySection(
                "Misses",
                "Largest first.",
                [GalleryItem(JPEG, 'IMG1.jpg: "fracture" & <b>')],
                [LegendEntry("#f5b00a", "missed finding", dashed=True)],
            ),
            GallerySection("False alarms", "", []),
        ],
    )


class Page(HTMLParser):
    """The texts, the addresses and the tags of a page; every tag must be closed in order."""

    def __init__(self, html):
        super().__init__()
        self.texts, self.addresses, self.tags, self.open = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href", "srcset"}]
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
        'IMG1.jpg: "fracture" & <b>',
        "False alarms None.",
    ):
        assert expected in text
    assert page.tags.count("img") == 2


def test_the_page_needs_nothing_beside_it(report):
    html = render_report(report)
    page = Page(html)
    assert len(page.addresses) == 2
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert not re.search(r"https?:|//\w|@import|url\(", re.sub(r'"data:[^"]*"', "", html))
    assert "script" not in page.tags
    assert "link" not in page.tags


def test_images_survive(report):
    found = re.findall(r'src="data:(image/[a-z+]+);base64,([^"]*)"', render_report(report))
    assert [(kind, base64.b64decode(data)) for kind, data in found] == [
        ("image/svg+xml", SVG),
        ("image/jpeg", JPEG),
    ]


def test_markup_in_data_is_escaped():
    hostile = "<script>alert(1)</script>"
    html = render_report(
        EvaluationReport(
            hostile,
            hostile,
            {hostile: hostile},
            {hostile: hostile},
            [Table(hostile, (hostile,), [(hostile,)], hostile)],
            [Picture(hostile, SVG, hostile)],
            [GallerySection(hostile, hostile, [GalleryItem(JPEG, hostile)])],
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
    assert '<td class="number">0.435</td>' in html
    assert "<td>fracture</td>" in html
    assert report.tables[0].numeric == (False, True, True)
    assert Table("", ("a", "b"), []).numeric == (True, True)


def test_a_table_with_a_ragged_row_is_refused():
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        Table("AP", ("Class", "AP50"), [("fracture",)])


def test_an_unknown_image_is_refused_and_nothing_is_written(tmp_path):
    report = EvaluationReport("x", "", {}, {}, figures=[Picture("p", b"GIF89a")])
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
    ],
    ids=str,
)
def test_cells(value, expected):
    assert format_cell(value) == expected


def test_json_has_null_for_what_is_not_a_number(tmp_path):
    values = {
        "auc": math.nan,
        "inf": np.float64(np.inf),
        "counts": np.array([[1, 2], [3, 4]]),
        "name": "Läsion",
        "nested": {1: (np.int64(3), None, True)},
    }
    write_json(values, tmp_path / "metrics.json")
    assert json.loads((tmp_path / "metrics.json").read_bytes()) == {
        "auc": None,
        "inf": None,
        "counts": [[1, 2], [3, 4]],
        "name": "Läsion",
        "nested": {"1": [3, None, True]},
    }
