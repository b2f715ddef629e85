from collections.abc import Callable
from pathlib import Path

import pytest

from lucency.api.prediction_names import ImageFile
from lucency.api.prediction_outcomes import Outcome
from lucency.api.prediction_table import MOST_ROWS, ClosingTable
from lucency.api.schemas import Flag, Report, RouteTaken

MakeReport = Callable[..., Report]


def image(name: str) -> ImageFile:
    return ImageFile(Path("/images") / name, name, name)


@pytest.fixture
def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, str]]:
    """Prints outcomes on a wide screen; gives what is on stdout, in one line, and on stderr."""
    monkeypatch.setenv("COLUMNS", "160")

    def show(*outcomes: Outcome, notes: tuple[str, ...] = ()) -> tuple[str, str]:
        table = ClosingTable()
        table.notes += notes
        for outcome in outcomes:
            table.add(outcome)
        table.print()
        out, err = capsys.readouterr()
        return " ".join(out.split()), err

    return show


def test_a_row_tells_what_was_found(
    printed: Callable[..., tuple[str, str]], make_report: MakeReport
) -> None:
    route = RouteTaken(kind="bone", basis="pixels", probability=0.9, contradicted=False)
    report = make_report(
        (0, 0, 5, 5, "lesion", 0.42), (0, 0, 5, 5, "lesion", 0.3), tb=0.75, route=route
    )
    out, err = printed(Outcome(image("sub/a.png"), report))
    assert "sub/a.png bone 2 lesion 0.42 ? tb 0.75 * 2" in out
    assert "? below the threshold of 'specific'. * at or above the threshold." in out
    assert "look twice" not in out
    assert err == ""


def test_flags_are_named(printed: Callable[..., tuple[str, str]], make_report: MakeReport) -> None:
    flags = (
        Flag(kind="no-box", message="x", models=("finder",), label="tb"),
        Flag(kind="out-of-distribution", message="y", models=("net",)),
        Flag(kind="out-of-distribution", message="z", models=("finder",)),
    )
    out, _ = printed(Outcome(image("a.png"), make_report(tb=0.1, flags=flags)))
    assert "no box (tb), out of distribution" in out
    assert out.count("out of distribution") == 1
    assert "look twice" in out
    assert "*" not in out


def test_nothing_found_is_not_nothing_looked_for(
    printed: Callable[..., tuple[str, str]], make_report: MakeReport
) -> None:
    out, _ = printed(
        Outcome(image("a.png"), make_report()),
        Outcome(image("b.png"), make_report(tb=0.1, detector=False)),
    )
    assert "a.png 0 none" in out
    assert "b.png – no detector tb 0.10" in out


def test_errors_and_notes_go_to_stderr(printed: Callable[..., tuple[str, str]]) -> None:
    out, err = printed(Outcome(image("a.png"), error="a.png: is broken"), notes=("look",))
    assert "a.png – failed" in out
    assert err == "note: look\nerror: a.png: is broken\n"


def test_what_models_are_for_is_told_once(
    printed: Callable[..., tuple[str, str]], make_report: MakeReport
) -> None:
    report = make_report()
    used = report.models[0].model_copy(update={"intended_use": "For hands."})
    outcome = Outcome(image("a.png"), report.model_copy(update={"models": (used,)}))
    out, _ = printed(outcome, outcome)
    assert out.count("finder: For hands.") == 1


@pytest.mark.parametrize("name", ["[red]a[bold].png", "a\x1b[31m.png"], ids=["markup", "escape"])
def test_names_change_nothing_on_the_screen(
    printed: Callable[..., tuple[str, str]], make_report: MakeReport, name: str
) -> None:
    out, _ = printed(Outcome(image(name), make_report()))
    assert name.replace("\x1b", "\\x1b") in out
    assert "\x1b[31m" not in out


def test_a_long_table_is_cut_and_says_so(
    printed: Callable[..., tuple[str, str]], make_report: MakeReport
) -> None:
    report = make_report()
    files = [Outcome(image(f"{number:04}.png"), report) for number in range(MOST_ROWS + 3)]
    out, err = printed(*files, Outcome(image("last.png"), error="last.png: is broken"))
    assert f"{MOST_ROWS - 1:04}.png" in out
    assert f"{MOST_ROWS:04}.png" not in out
    assert "And 4 more files" in out
    assert err == "error: last.png: is broken\n"
