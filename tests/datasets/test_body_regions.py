import pytest

from lucency.datasets.body_regions import REGIONS, region_of, region_terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ""),
        ("Chest PA and lateral", "CHEST"),
        ("MUELLER^HANS chest_pa", "CHEST"),
        ("Lower leg, left", "LEG"),
        ("hand / HAND / wrist", "HAND WRIST"),
        ("handling of chests", ""),
    ],
    ids=str,
)
def test_nothing_but_terms_is_kept(text: str, terms: str) -> None:
    assert region_terms(text) == terms


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("LUNG", "chest"),
        ("Knee", "bone"),
        ("LIVER", "other"),
        ("chest and hand", None),
        ("?", None),
    ],
    ids=str,
)
def test_regions(text: str, region: str | None) -> None:
    assert region_of(text) == region


def test_every_term_is_one_word_of_a_known_kind() -> None:
    assert set(REGIONS.values()) == {"chest", "bone", "other"}
    assert all(region_terms(term) == term for term in REGIONS)
