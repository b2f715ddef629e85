"""How fast annotations become YOLO label files, beside other programs that do it.

    python benchmarks/conversion.py --peers VENV/bin/python --work /dev/shm

Makes the same 20,000 images and about 100,000 boxes as COCO, Pascal VOC and labelme, converts
each by each tool in a process of its own, one tool after the other and all of them again in
every round, compares every box that was written with the truth, and prints a Markdown table.
The peers are no dependencies of Lucency: install those that are wanted into environments of
their own (labelformat, globox, datumaro, supervision, ultralytics, labelme2yolo) and name the
interpreters. Ends with status 1 if Lucency got a box wrong.
"""

import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conversion_files import FORMATS, Check, Files, check_labels, make_files

# A run that takes longer or needs more memory counts as failed.
SECONDS = 600
MEMORY = 12 * 2**30
# Lucency's boxes must be those of the truth to a thousandth of a pixel; a peer's may be a pixel
# off, because some take Pascal VOC's first pixel for 1, as its authors did, and others for 0.
OWN_PX, PEER_PX = 0.001, 1.01
NAMES = {"coco": "COCO", "voc": "Pascal VOC", "labelme": "labelme"}

# Starts the command and waits for it, from a process that is itself small: the peak of a new
# process begins with the size of the one that it was forked from.
WATCH = """
import os, resource, sys, time
memory = int(sys.argv[1])
begin = time.perf_counter()
child = os.fork()
if not child:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    os.dup2(2, 1)
    os.execv(sys.argv[2], sys.argv[2:])
status, used = os.wait4(child, 0)[1:]
print(time.perf_counter() - begin, used.ru_maxrss, os.waitstatus_to_exitcode(status))
"""

# The command that converts a format into a folder, given the tool's interpreter.
Command = Callable[[str, Files, str, Path], list[str]]


@dataclass(frozen=True)
class Tool:
    """A program to be measured, and the package that must be installed for it."""

    name: str
    package: str
    formats: Sequence[str]
    command: Command
    own: bool = False


@dataclass(frozen=True)
class Run:
    """One conversion: seconds of the whole process and after its imports, the peak in MB."""

    seconds: float
    converting: float | None
    megabytes: float
    check: Check


@dataclass
class Row:
    """The runs of a tool on a format; ``failure`` is the last thing it said if it failed."""

    tool: Tool
    form: str
    runs: list[Run] = field(default_factory=list)
    failure: str = ""


def by_script(function: str) -> Command:
    """A conversion by the function of that name in ``conversion_peers.py``."""
    script = str(Path(__file__).with_name("conversion_peers.py"))

    def command(python: str, files: Files, form: str, out: Path) -> list[str]:
        paths = (files.source(form), files.images, out)
        return [python, script, function, form, *(str(path) for path in paths)]

    return command


def by_cli(python: str, files: Files, form: str, out: Path) -> list[str]:
    program = str(Path(python).with_name("lucency"))
    return [program, "convert", str(files.source(form)), str(out), "--labels-only"]


def by_labelme2yolo(python: str, files: Files, form: str, out: Path) -> list[str]:
    program = str(Path(python).with_name("labelme2yolo"))
    folders = ["--json_dir", str(files.labelme_beside_images), "--output_dir", str(out)]
    return [program, *folders, "--val_size", "0"]


TOOLS = (
    Tool("bare parse, no checks", "", FORMATS, by_script("bare")),
    Tool("lucency", "lucency", FORMATS, by_script("lucency"), own=True),
    Tool("lucency, command line", "lucency", FORMATS, by_cli, own=True),
    Tool("lucency, with images", "lucency", FORMATS, by_script("lucency_images"), own=True),
    Tool("labelformat", "labelformat", ("coco", "voc"), by_script("labelformat")),
    Tool("labelme2yolo, with images", "labelme2yolo", ("labelme",), by_labelme2yolo),
    Tool("ultralytics", "ultralytics", ("coco",), by_script("ultralytics")),
    Tool("globox", "globox", FORMATS, by_script("globox")),
    Tool("datumaro", "datumaro", ("coco", "voc"), by_script("datumaro")),
    Tool("supervision", "supervision", FORMATS, by_script("supervision")),
)


def interpreters(peers: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The interpreter and the version of every installed package; ours come from this one."""
    ask = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    found = {"": (sys.executable, "")}
    for package in sorted({tool.package for tool in TOOLS if tool.package}):
        for python in [sys.executable] if package == "lucency" else [*peers, sys.executable]:
            answer = subprocess.run(
                [python, "-c", ask, package], check=False, capture_output=True, text=True
            )
            if answer.returncode == 0:
                found[package] = (python, answer.stdout.strip())
                break
    return found


def convert(row: Row, python: str, files: Files, work: Path) -> None:
    """Run once, compare what was written, and note it in the row."""
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = row.tool.command(python, files, row.form, out)
    watch = [sys.executable, "-I", "-S", "-c", WATCH, str(MEMORY), *command]
    with tempfile.TemporaryFile("w+", dir=work, errors="replace") as said:
        process = subprocess.Popen(
            watch, stdout=subprocess.PIPE, stderr=said, text=True, cwd=work, start_new_session=True
        )
        try:
            told = process.communicate(timeout=SECONDS)[0].split()
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            row.failure = f"more than {SECONDS} s"
            return
        said.seek(0)
        text = said.read()
    if len(told) != 3 or told[2] != "0":
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        row.failure = lines[-1] if lines else f"ended with status {told[-1:]}"
        return
    inside = re.search(r"^converted in ([\d.]+) s$", text, re.MULTILINE)
    check = check_labels(out, files.truth, within=OWN_PX if row.tool.own else PEER_PX)
    converting = float(inside[1]) if inside else None
    row.runs.append(Run(float(told[0]), converting, float(told[1]) / 1024, check))


def measure(files: Files, rows: list[Row], pythons: dict[str, tuple[str, str]], work: Path) -> None:
    """Every row once; those that failed before are left out."""
    for row in rows:
        if row.failure:
            continue
        if row.tool.package not in pythons:
            row.failure = "not installed"
            continue
        print(f"{row.form}: {row.tool.name}", file=sys.stderr)
        convert(row, pythons[row.tool.package][0], files, work)
    shutil.rmtree(work / "out", ignore_errors=True)


def converting(row: Row) -> list[float]:
    """The seconds of the conversions alone, as far as the runs tell them."""
    return [run.converting for run in row.runs if run.converting is not None]


def table(rows: list[Row], images: int, boxes: int) -> str:
    """The Markdown table of all runs; times are medians with their ranges."""
    lines = [
        "| from | tool | seconds, whole process | × bare | seconds, after imports | × bare |"
        f" peak MB | files of {images:,} | boxes of {boxes:,} | right | class numbers |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    bare = [row for row in rows if not row.tool.package and row.runs]
    floors = {row.form: middle(row) for row in bare}
    inner_floors = {row.form: statistics.median(converting(row)) for row in bare}
    for row in rows:
        start = f"| {NAMES[row.form]} | {row.tool.name} | "
        if row.failure:
            said = row.failure if row.failure == "not installed" else f"failed: {row.failure}"
            cells = [said.replace("|", "\\|"), *[""] * 8]
        else:
            inside = converting(row)
            worst = min((run.check for run in row.runs), key=lambda check: check.right)
            numbers = worst.numbers or (0,)
            cells = [
                ranged([run.seconds for run in row.runs]),
                f"{middle(row) / floors[row.form]:.2f}" if row.form in floors else "–",
                ranged(inside) if inside else "–",
                f"{statistics.median(inside) / inner_floors[row.form]:.2f}"
                if inside and row.form in inner_floors
                else "–",
                f"{max(run.megabytes for run in row.runs):.0f}",
                f"{worst.files:,}",
                f"{worst.boxes:,}",
                f"{worst.right:,}",
                f"{numbers[0]} to {numbers[-1]}",
            ]
        lines.append(start + " | ".join(cells) + " |")
    return "\n".join(lines)


def middle(row: Row) -> float:
    return statistics.median(run.seconds for run in row.runs)


def ranged(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}–{max(seconds):.2f})"


def wrong(rows: list[Row], boxes: int) -> list[str]:
    """What Lucency got wrong."""
    mistakes = []
    for row in rows:
        checks = [run.check for run in row.runs]
        bad = [check for check in checks if (check.boxes, check.right) != (boxes, boxes)]
        if row.tool.own and (bad or row.failure):
            mistakes.append(f"{row.tool.name}, {row.form}: {row.failure or bad[0]}")
    return mistakes


def interpreter(text: str) -> str:
    """The program itself, links not followed: it is the link that belongs to an environment."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"{text}: no such file")
    return str(Path(text).absolute())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--work",
        type=Path,
        help="folder for the files, of which conversion/ is made anew and removed at the end; "
        "one on a memory disk, such as /dev/shm, takes the disk out of the picture",
        default=Path(tempfile.gettempdir()),
    )
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--peers",
        action="append",
        default=[],
        type=interpreter,
        metavar="PYTHON",
        help="interpreter with peers installed; repeatable, the first that has one is used",
    )
    return parser.parse_args()


def main() -> None:
    """Make the files, measure, print."""
    options = arguments()
    work = options.work.absolute() / "conversion"
    pythons = interpreters(options.peers)
    rows = [Row(tool, form) for form in FORMATS for tool in TOOLS if form in tool.formats]
    try:
        # A first round on a few files fills the caches of bytecode and finds what fails.
        measure(make_files(work / "files", 50), rows, pythons, work)
        for row in rows:
            row.runs.clear()
        files = make_files(work / "files", options.images)
        for _ in range(options.rounds):
            measure(files, rows, pythons, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    boxes = sum(len(image.boxes) for image in files.truth.values())
    print(f"{options.images:,} images, {boxes:,} boxes, {options.rounds} rounds, ", end="")
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    versions = [f"{name} {version}" for name, (_, version) in sorted(pythons.items()) if name]
    print(", ".join(versions), end="\n\n")
    print(table(rows, options.images, boxes))
    mistakes = wrong(rows, boxes)
    if mistakes:
        sys.exit("lucency is wrong: " + "; ".join(mistakes))


if __name__ == "__main__":
    main()
