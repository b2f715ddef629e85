"""Hostile files over HTTP, to a real process: no death, no 500, a stable code, and soon.

`benchmarks/service_hostile.py` sends 1,600 of them, and measures.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lucency.configs.bundle import Bundle

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("service process")]

Benchmark = Callable[[str], Any]
# They take seconds to make, or to decode for good reason; the benchmark has them.
LARGE = ("png-inflates-to-1-gb", "dicom-deflate-bomb", "png-79-megapixels")
DAMAGED = 150
DECODE_SECONDS = 0.5
# Twice that, and room for a busy machine.
MOST_SECONDS = 10.0


@pytest.fixture(scope="module")
def service(
    benchmark: Benchmark, detector_bundle: Bundle, classifier_bundle: Bundle
) -> Iterator[Any]:
    options = [f"--bundle={bundle.path}" for bundle in (detector_bundle, classifier_bundle)]
    settings = {"decode_timeout_s": DECODE_SECONDS}
    with benchmark("service_process").served(*options, settings=settings) as service:
        service.wait_until_ready()
        yield service


@pytest.fixture
def still_there(benchmark: Benchmark, service: Any) -> Callable[[], None]:
    """Checks that the same process answers, and analyses the next image."""
    send, files = benchmark("service_hostile").sent, benchmark("hostile_files")
    good = files.HostileFile("good", files.good_files()["png"])

    def check() -> None:
        assert service.process.poll() is None, service.log.read_text()[-2000:]
        assert send(service, good).status == 200
        assert service.is_ready()

    return check


def test_every_class_has_its_code_and_the_next_image_is_served(
    benchmark: Benchmark, service: Any, still_there: Callable[[], None]
) -> None:
    hostile, files = benchmark("service_hostile"), benchmark("hostile_files")
    classes = benchmark("hostile_classes").CLASSES
    answers = []
    for name, (make, _) in classes.items():
        if name not in LARGE:
            answers.append(hostile.sent(service, files.HostileFile(name, make())))
            still_there()
    assert len(answers) == len(classes) - len(LARGE)
    assert max(answer.seconds for answer in answers) < MOST_SECONDS
    assert list(hostile.wrong_answers(answers, most_seconds=MOST_SECONDS)) == []


def test_damaged_files_have_the_same_code_twice(
    benchmark: Benchmark, service: Any, still_there: Callable[[], None]
) -> None:
    hostile = benchmark("service_hostile")
    files = list(benchmark("hostile_files").damaged_files(DAMAGED, seed=1))
    first = [hostile.sent(service, file) for file in files]
    assert list(hostile.wrong_answers(first, most_seconds=MOST_SECONDS)) == []
    assert len({answer.told for answer in first}) > 5
    again = [hostile.sent(service, file) for file in files[:50]]
    assert [answer.told for answer in again] == [answer.told for answer in first[:50]]
    still_there()


def test_zip_bombs_are_refused_and_the_next_image_is_served(
    benchmark: Benchmark, service: Any, still_there: Callable[[], None]
) -> None:
    hostile, files, zips = (
        benchmark(name) for name in ("service_hostile", "hostile_files", "hostile_zips")
    )
    good = files.good_files()["png"]
    made = {
        "much": zips.large("a.png", 150),
        "many": zips.zip_of(*((f"{number}.png", good) for number in range(1000))),
        "overlapping": zips.overlapping(500),
        "in each other": zips.nested(2),
        "encrypted": zips.flagged(good),
        "lying": zips.lying(good),
        "outside": zips.zip_of(("../../outside.png", good)),
        "nothing": zips.zip_of(),
    }
    answers = {}
    for what, data in made.items():
        answers[what] = hostile.sent(service, files.HostileFile(what, data), hostile.BATCH)
        still_there()
    told = list(answers.values())
    assert list(hostile.wrong_answers(told, most_seconds=MOST_SECONDS)) == []
    statuses = {what: answer.status for what, answer in answers.items()}
    refused = {what: status for what, status in statuses.items() if status != 200}
    assert refused == {"much": 413, "many": 422, "overlapping": 422, "nothing": 422}
