from collections import Counter

from lucency.annotations.corrections import correction, tally
from lucency.annotations.findings import Finding
from lucency.annotations.geometry import Box


def finding(label: str, *corners: float) -> Finding:
    return Finding(label, Box(*corners))


PROPOSED = [
    finding("a", 0, 0, 10, 10),
    finding("a", 100, 0, 110, 10),
    finding("a", 200, 0, 210, 10),
    finding("b", 300, 0, 310, 10),
]
NOW = [
    finding("a", 0, 0.004, 10, 10),  # kept, but for rounding
    finding("a", 101, 0, 111, 10),  # moved
    finding("c", 200, 0, 210, 10),  # relabelled
    finding("b", 340, 0, 350, 10),  # too far away: one deleted, one added
]


def test_every_box_is_accounted_for() -> None:
    found = correction("img-0001.png", PROPOSED, NOW)
    assert found.kept == ("a",)
    assert found.moved == ("a",)
    assert found.relabelled == (("a", "c"),)
    assert found.deleted == ("b",)
    assert found.added == ("b",)


def test_the_counts_balance_for_every_label() -> None:
    counts = tally([correction("1", PROPOSED, NOW), correction("2", NOW, []),
                    correction("3", [], PROPOSED)])  # fmt: skip
    before = Counter(finding.label for finding in [*PROPOSED, *NOW])
    after = Counter(finding.label for finding in [*NOW, *PROPOSED])
    assert counts.labels() == ["a", "b", "c"]
    for label in counts.labels():
        row = counts.row(label)
        assert row["proposed"] == before[label]
        assert row["now"] == after[label]
        assert row["proposed"] == row["kept"] + row["moved"] + row["relabelled"] + row["deleted"]
        assert row["now"] == row["kept"] + row["moved"] + row["relabelled_to"] + row["added"]
    assert counts.to_json()["relabelled"] == [{"from": "a", "to": "c", "boxes": 1}]
