"""The page of an embedding map and its table: complete, escaped, and of a size to open."""

import base64
import csv
import io
import json
import re
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lucency.annotations.findings import Status
from lucency.annotations.records import ImageRecord
from lucency.classification.embed import Embedding
from lucency.classification.embed_page import (
    embedding_csv,
    grouped,
    render_embedding_page,
    thumbnail_jpegs,
    verdicts,
)
from lucency.classification.feature_probe import Probe
from lucency.configs.bundle import RESEARCH_USE, BundleManifest
from lucency.configs.display import DisplaySpec
from lucency.evaluation.estimates import Estimate

HOSTILE = "</script><b>&\"'{{x}}"


def manifest_of(*names: str, exclusive: bool = False, threshold: float = 0.5) -> BundleManifest:
    display = DisplaySpec()
    return BundleManifest(
        name="tiny",
        task="classification",
        architecture="small_cnn",
        class_names=names,
        input_size=32,
        input_channels=1,
        display=display,
        display_digest=display.digest(),
        exclusive=exclusive,
        operating_points={"balanced": dict.fromkeys(names, threshold)},
        default_operating_point="balanced",
        metrics={},
        metrics_split="val",
        parity={},
        training_data={},
        libraries={},
        licence="AGPL-3.0-or-later",
        created="2026-01-01",
        files={},
    )


def record(number: int, **extra: str) -> ImageRecord:
    image = PurePosixPath("images", "val", f"{number}.png")
    return ImageRecord(image, "val", "", Status.NEGATIVE, 9, 9, "", "", extra)


def embedding_of(
    probabilities: list[list[float]], records: list[ImageRecord], **changes: Any
) -> Embedding:
    count = len(records)
    values: dict[str, Any] = {
        "split": "val",
        "records": tuple(records),
        "features": np.zeros((count, 7), np.float32),
        "probabilities": np.array(probabilities, np.float32),
        "thumbnails": tuple(np.full((20, 30), 9 * n, np.uint8) for n in range(count)),
        "places": {"tsne": np.array([[n, -2 * n] for n in range(count)], np.float32)},
    }
    return Embedding(**{**values, **changes})


@pytest.fixture
def four() -> Embedding:
    """Found, missed, a false alarm, and one whose truth is not known."""
    truths = ("1", "1", "0", "")
    records = [record(n, tb=truth, site=f"s{n % 2}") for n, truth in enumerate(truths)]
    return embedding_of([[0.9], [0.2], [0.7], [0.8]], records)


def data_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


def page_of(found: Embedding, manifest: BundleManifest, **changes: Any) -> str:
    values: dict[str, Any] = {"dataset": "set", "columns": [], "probes": []}
    return render_embedding_page(found, manifest, **{**values, **changes})


def test_verdicts_are_judged_at_the_default_operating_point(four: Embedding) -> None:
    (verdict,) = verdicts(four, manifest_of("tb"))
    assert verdict.values == ("no tb", "tb", "unknown")
    assert verdict.truth.tolist() == [1, 1, 0, 2]
    assert verdict.named.tolist() == [1, 0, 1, 1]
    assert verdict.wrong.tolist() == [False, True, True, False]
    (strict,) = verdicts(four, manifest_of("tb", threshold=0.75))
    assert strict.wrong.tolist() == [False, True, False, False]


def test_a_probability_at_the_threshold_counts_as_positive() -> None:
    found = embedding_of([[0.5]] * 3, [record(n, tb="1") for n in range(3)])
    (verdict,) = verdicts(found, manifest_of("tb"))
    assert not verdict.wrong.any()


def test_classes_that_exclude_each_other_are_one_question() -> None:
    records = [
        record(0, chest="1", bone="0"),
        record(1, chest="0", bone="1"),
        record(2, chest="1", bone="1"),
        record(3),
    ]
    probabilities = [[0.6, 0.4], [0.7, 0.3], [0.1, 0.9], [0.2, 0.8]]
    (verdict,) = verdicts(
        embedding_of(probabilities, records), manifest_of("chest", "bone", exclusive=True)
    )
    assert verdict.values == ("chest", "bone", "unknown")
    assert verdict.truth.tolist() == [0, 1, 2, 2]
    assert verdict.named.tolist() == [0, 0, 1, 1]
    assert verdict.wrong.tolist() == [False, True, False, False]
    np.testing.assert_allclose(verdict.probability, [0.6, 0.7, 0.9, 0.8])


def test_labels_are_a_question_each() -> None:
    records = [record(n, tb="1", other="0") for n in range(3)]
    first, second = verdicts(embedding_of([[0.9, 0.9]] * 3, records), manifest_of("tb", "other"))
    assert (first.name, second.name) == ("tb", "other")
    assert not first.wrong.any()
    assert second.wrong.all()


def test_the_most_frequent_value_is_first_and_nothing_stated_last() -> None:
    found = grouped([record(n, site=site) for n, site in enumerate(["a", "b", "b", ""])], "site")
    assert found.values == ("b", "a", "not stated")
    assert found.numbers == (1, 0, 0, 2)
    assert found.plain == 2


def test_many_numbers_become_bands() -> None:
    found = grouped([record(n, age=str(n)) for n in range(50)], "age")
    assert found.values == ("0 to 9", "10 to 19", "20 to 29", "30 to 39", "40 to 49")
    assert found.numbers[9:11] == (0, 1)
    assert found.plain == 5


@pytest.mark.parametrize("odd", ["word", "nan", "inf"])
def test_many_other_values_are_pooled(odd: str) -> None:
    found = grouped([record(n, x=odd if n == 0 else f"{n}") for n in range(30)], "x")
    assert len(found.values) == 20
    assert found.values[-1] == "other (11 values)"
    assert found.numbers.count(19) == 11
    assert found.plain == 19


def test_the_table_has_a_row_for_each_image(four: Embedding) -> None:
    rows = list(csv.DictReader(io.StringIO(embedding_csv(four, manifest_of("tb"), ["site"]))))
    assert list(rows[0]) == ["image", "x_tsne", "y_tsne", "truth_tb", "probability_tb", "site"]
    assert [row["truth_tb"] for row in rows] == ["1", "1", "0", ""]
    assert [row["probability_tb"] for row in rows][:2] == ["0.900000", "0.200000"]
    assert (rows[3]["image"], rows[3]["site"]) == ("images/val/3.png", "s1")
    assert (float(rows[3]["x_tsne"]), float(rows[3]["y_tsne"])) == (3.0, -6.0)


def test_the_page_holds_every_image_its_place_and_its_picture(four: Embedding) -> None:
    data = data_of(page_of(four, manifest_of("tb"), columns=["site"]))
    assert data["images"] == [f"images/val/{n}.png" for n in range(4)]
    pictures = [Image.open(io.BytesIO(base64.b64decode(text))) for text in data["pictures"]]
    assert [picture.size for picture in pictures] == [(30, 20)] * 4
    assert [np.asarray(picture).mean() for picture in pictures] == pytest.approx(
        [0, 9, 18, 27], abs=1.5
    )
    (place,) = data["maps"]
    assert place["name"] == "t-SNE"
    # One scale for both directions, in the middle.
    assert place["xy"] == pytest.approx(
        [0.25, 1, 0.4167, 0.6667, 0.5833, 0.3333, 0.75, 0], abs=1e-4
    )
    (question,) = data["questions"]
    assert question["wrong"] == [1, 2]
    (column,) = data["columns"]
    assert (column["values"], column["of"]) == (["s0", "s1"], [0, 1, 0, 1])


def test_nothing_is_fetched_and_nothing_is_markup() -> None:
    records = [record(n, site=HOSTILE, tb="1") for n in range(3)]
    found = embedding_of([[0.5]] * 3, records, left_out=1234)
    probes = [Probe(HOSTILE, 0, 0, reason="x")]
    page = page_of(found, manifest_of("tb"), dataset=HOSTILE, columns=["site"], probes=probes)
    assert not re.findall(r'(?:src|href)="', page)
    assert "url(" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert "default-src 'none'" in page
    assert HOSTILE not in page
    assert page.count("</script>") == 2
    assert data_of(page)["columns"][0]["texts"] == [HOSTILE] * 3
    assert "1,234 further images" in page
    assert RESEARCH_USE in page


def test_what_the_probes_found_stands_on_the_page(four: Embedding) -> None:
    probes = [
        Probe("site", 4, 312, Estimate(0.949, 0.923, 0.971), 0.574),
        Probe("age", 80, 300, reason="more than 20 values"),
    ]
    page = page_of(four, manifest_of("tb"), columns=["site"], probes=probes)
    for text in ("0.949", "0.923 – 0.971", "0.574", "not measured: more than 20 values"):
        assert text in page
    assert "What the features tell" not in page_of(four, manifest_of("tb"))


def test_names_in_another_encoding_can_be_written() -> None:
    odd = ImageRecord(
        PurePosixPath("images/val/\udcff.png"), "val", "", Status.UNKNOWN, 9, 9, "", ""
    )
    found = embedding_of([[0.5]] * 3, [odd, record(1), record(2)])
    page_of(found, manifest_of("tb"), dataset="\udcff").encode()
    assert "?.png" in embedding_csv(found, manifest_of("tb"), []).encode().decode()


def test_images_of_one_place_are_drawn_in_the_middle() -> None:
    places = {"umap": np.ones((3, 2), np.float32)}
    found = embedding_of([[0.5]] * 3, [record(n) for n in range(3)], places=places)
    assert data_of(page_of(found, manifest_of("tb")))["maps"][0]["xy"] == [0.5] * 6


def test_thumbnails_keep_to_the_bytes_they_may_have() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 112, 112)).astype(np.uint8)
    free = thumbnail_jpegs(noise)
    assert [Image.open(io.BytesIO(jpeg)).size for jpeg in free] == [(112, 112)] * 40
    tight = thumbnail_jpegs(noise, most_bytes=100_000)
    assert sum(map(len, tight)) <= 100_000
    assert 20 < Image.open(io.BytesIO(tight[0])).size[0] < 112
    assert thumbnail_jpegs([]) == []
