from pathlib import Path

import pytest

from lucency.evaluation.interruption import told_how_to_go_on


@pytest.mark.parametrize("ended_by", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_run_tells_how_it_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ended_by: type[BaseException]
) -> None:
    (tmp_path / "config.yaml").write_text("")
    with pytest.raises(ended_by), told_how_to_go_on(tmp_path):
        raise ended_by
    assert f"{tmp_path} goes on from its last complete epoch" in capsys.readouterr().err


def test_nothing_is_said_of_a_run_that_had_not_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt), told_how_to_go_on(tmp_path / "run"):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == ""
