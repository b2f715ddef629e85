import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lucency.api.prediction_names import ImageFile
from lucency.api.prediction_outcomes import Outcome
from lucency.api.schemas import Report
from lucency.configs.errors import ImageFault

IMAGE = ImageFile(Path("folder/ü\n.png"), "ü\n.png", "ü\n")


def test_a_line_is_the_answer_with_the_file_before_it(make_report: Callable[..., Report]) -> None:
    report = make_report((1, 2, 3, 4, "lesion", 0.123456789012345))
    line = Outcome(IMAGE, report).json_line()
    assert line.count("\n") == 1
    assert line.endswith("}\n")
    found = json.loads(line)
    assert next(iter(found)) == "file"
    assert found.pop("file") == "ü\n.png"
    assert found == report.model_dump(mode="json")


def test_a_refused_file_has_the_services_error() -> None:
    outcome = Outcome(IMAGE, error="a.png: is\ntruncated \udce9", fault=ImageFault.TRUNCATED)
    line = outcome.json_line()
    assert json.loads(line.encode()) == {
        "file": "ü\n.png",
        "error": {
            "code": "unreadable_image",
            "message": "a.png: is truncated ?",
            "fault": "truncated",
        },
    }
    assert outcome.error_code == "unreadable_image"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (ImageFault.NO_MODEL, "unsuitable_image"),
        (ImageFault.UNKNOWN_FORMAT, "not_an_image"),
        (ImageFault.TRUNCATED, "unreadable_image"),
    ],
    ids=str,
)
def test_codes_are_those_of_the_service(fault: ImageFault, code: str) -> None:
    assert Outcome(IMAGE, error="x", fault=fault).error_code == code


def test_a_report_has_no_error(make_report: Callable[..., Report]) -> None:
    assert Outcome(IMAGE, make_report()).error_code == ""
