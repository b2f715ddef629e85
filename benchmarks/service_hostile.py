"""What becomes of hostile files that are sent to the service.

    python benchmarks/service_hostile.py [--files 1600] [--seed 0] [--again 200] [--real FOLDER]

Against a real service process with the shipped bundles: the classes of ``hostile_classes.py`` and
random damage to good files (to DICOM files below FOLDER too), one after the other, to /v1/analyze
with ``kind=any``, so that what can be read is analysed; then the zip files of ``hostile_zips.py``
to /v1/analyze/batch. After each class a good image is sent. The first --again files are sent
a second time. Prints Markdown tables: answers by status, code and fault, and the figures; what is
wrong is named below them.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from hostile import real_files
from hostile_classes import CLASSES
from hostile_files import HostileFile, damaged_files, good_files
from hostile_zips import ZIPS
from service_load import post_request
from service_process import Row, Served, percentile, print_rows, served

MOST_SECONDS = 2.0
# For killing a decoding process and waiting for it, on a machine that has other work.
GRACE_SECONDS = 0.3
ANALYZE, BATCH = "/v1/analyze?kind=any", "/v1/analyze/batch?kind=any"
# Which code each fault comes with; all others are `unreadable_image`.
CODES = {"unknown-format": {"not_an_image", "empty_file"}}


@dataclass(frozen=True)
class Answer:
    """What one file was answered with; status 0: there was no answer."""

    what: str
    status: int
    code: str
    fault: str
    seconds: float

    @property
    def told(self) -> tuple[int, str, str]:
        """What must be the same for the same file."""
        return self.status, self.code, self.fault


def sent(service: Served, file: HostileFile, target: str = ANALYZE) -> Answer:
    """Post one file over a connection of its own."""
    head, _, body = post_request(target, [("image", file.data)]).partition(b"\r\n\r\n")
    kind = head.partition(b"Content-Type: ")[2].partition(b"\r\n")[0].decode()
    connection = HTTPConnection("127.0.0.1", service.port, timeout=60)
    begin = time.perf_counter()
    try:
        connection.request("POST", target, body, {"Content-Type": kind})
        reply = connection.getresponse()
        status, text = reply.status, reply.read()
    except (OSError, HTTPException) as error:
        seconds = time.perf_counter() - begin
        return Answer(file.what, 0, type(error).__name__, "", seconds)
    finally:
        connection.close()
    error = json.loads(text).get("error", {})
    seconds = time.perf_counter() - begin
    return Answer(file.what, status, error.get("code", ""), error.get("fault") or "", seconds)


def images(given: argparse.Namespace) -> Iterator[HostileFile]:
    """Classes first, then random damage."""
    for name, (make, _) in CLASSES.items():
        yield HostileFile(name, make())
    left = max(0, given.files - len(CLASSES))
    of_real = left // 5 if given.real else 0
    yield from damaged_files(left - of_real, seed=given.seed)
    if given.real:
        yield from real_files(given.real, of_real, seed=given.seed)


def wrong_answers(
    answers: Iterable[Answer], *, most_seconds: float = MOST_SECONDS + GRACE_SECONDS
) -> Iterator[str]:
    """What no file may be answered with."""
    for one in answers:
        what = f"{one.what}: {one.status} {one.code} {one.fault} after {one.seconds:.2f} s"
        if one.status not in (200, 400, 413, 415, 422):
            yield f"{what}: no such status"
        if one.status != 200 and not one.code:
            yield f"{what}: no code"
        if one.seconds > most_seconds:
            yield f"{what}: too long"
        if one.what in CLASSES:
            wanted = CLASSES[one.what][1] or ""
            codes = CODES.get(wanted, {"unreadable_image" if wanted else ""})
            if one.code not in codes or (one.fault != wanted and one.code != "empty_file"):
                yield f"{what}: must be {wanted or 'read'}"


def print_answers(title: str, answers: Sequence[Answer]) -> None:
    """Count them by what they say."""
    print(f"\n### {title}\n\n| status | code | fault | files | slowest, s |\n|---|---|---|---|---|")
    for told, count in Counter(each.told for each in answers).most_common():
        slowest = max(each.seconds for each in answers if each.told == told)
        print("| " + " | ".join(map(str, (*told, count))) + f" | {slowest:.2f} |")


def print_zips(answers: Sequence[Answer]) -> None:
    """What each zip file was answered with; with 200, its entries have errors of their own."""
    print("\n### Zip files\n\n| file | status | code | s |\n|---|---|---|---|")
    for one in answers:
        print(f"| {one.what} | {one.status} | {one.code} | {one.seconds:.2f} |")


def figures(
    service: Served, answers: Sequence[Answer], *, after: Sequence[Answer], changed: int
) -> Iterator[Row]:
    """Figures 1 and 2 of what must hold."""
    died = service.process.poll() is not None
    yield Row("the service died", "yes" if died else "no", "no", not died)
    failed = sum(each.status in (0, 500, 502, 504) for each in answers)
    yield Row("files answered with 500, or not at all", str(failed), "0", failed == 0)
    times = [each.seconds for each in answers]
    slowest = max(answers, key=lambda each: each.seconds)
    told = f"{percentile(times, 50) * 1000:.1f}, {percentile(times, 99) * 1000:.0f}"
    yield Row("a file, ms: median, p99", told)
    bound = f"≤ {MOST_SECONDS:g} + {GRACE_SECONDS:g}"
    held = slowest.seconds <= MOST_SECONDS + GRACE_SECONDS
    yield Row("slowest, s", f"{slowest.seconds:.2f} ({slowest.what})", bound, held)
    yield Row("files with another answer the second time", str(changed), "0", changed == 0)
    refused = sum(each.status != 200 for each in after)
    told = f"{refused} of {len(after)}"
    yield Row("good images not analysed right after a bomb", told, "0", refused == 0)


def main() -> int:
    """Send, count and print."""
    parser = argparse.ArgumentParser(description="Send hostile files to the service.")
    parser.add_argument("--files", type=int, default=1600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", type=int, default=200)
    parser.add_argument("--real", type=Path)
    given = parser.parse_args()
    good = HostileFile("good", good_files()["png"])
    with served() as service:
        service.wait_until_ready()
        answers: list[Answer] = []
        after: list[Answer] = []
        changed: list[str] = []
        for number, file in enumerate(images(given)):
            answers.append(sent(service, file))
            if file.what in CLASSES:
                after.append(sent(service, good))
            if number < given.again and sent(service, file).told != answers[-1].told:
                changed.append(file.what)
        zips: list[Answer] = []
        for what, make in ZIPS.items():
            zips.append(sent(service, HostileFile(what, make(good.data)), BATCH))
            after.append(sent(service, good))
        print_answers(f"{len(answers)} images", answers)
        print_zips(zips)
        rows = figures(service, [*answers, *zips], after=after, changed=len(changed))
        print_rows("Figures", list(rows))
    wrong = [*wrong_answers([*answers, *zips]), *(f"{what}: another answer" for what in changed)]
    for line in wrong:
        print("wrong:", line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
