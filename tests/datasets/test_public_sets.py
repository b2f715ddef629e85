"""The table of public sets and its modules agree."""

import pytest

from lucency.annotations.findings import LabelMap
from lucency.configs.errors import ConfigError
from lucency.datasets.public_sets import PUBLIC_SETS, public_reader, public_set


def test_the_eleven() -> None:
    assert len(set(PUBLIC_SETS)) == len(PUBLIC_SETS) == 11


@pytest.mark.parametrize("name", PUBLIC_SETS)
def test_each_set_is_described(name: str) -> None:
    known = public_set(name)
    assert known.name == name
    assert known.where.startswith("https://")
    assert min(map(len, (known.title, known.licence, known.contents))) > 3
    assert any(f"{year}" in known.citation for year in range(2010, 2030))
    assert LabelMap(known.classes).names == known.classes
    assert callable(public_reader(name).read)


def test_no_such_set() -> None:
    with pytest.raises(ConfigError, match="padchest: no such public set; there are fracatlas"):
        public_reader("padchest")
