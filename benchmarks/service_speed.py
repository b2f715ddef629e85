"""What a request costs beside its networks, what the service bears, and what it does beyond.

    python benchmarks/service_speed.py [--parts own throughput peer overload] [--seconds 10]
        [--rounds 5] [--images 24] [--data FOLDER]

All against real service processes with the shipped bundles, on real radiographs, in one run, by
turns. Prints Markdown tables with the load of the machine: leave it alone meanwhile.

- own: one request at a time. A request's own cost is what `timings_ms` tells as `own` (display,
  letterbox, boxes, the answer) and HTTP, which is what its client waited beyond `total`. `wait` is
  shown beside it: with one client there is nothing to wait for but the service itself.
- throughput: 8 clients, against the bare ONNX Runtime sessions of the same models on inputs that
  were decoded and prepared before: with all threads for one image, and an image on each core.
- peer and overload: see service_peer.py and service_overload.py.

Ends with status 1 if something could not be measured; a bound that is missed is told in the table.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from service_bare import Bare, Prepared, prepared, shipped
from service_images import DATA, chests, hands
from service_load import Load, analyze_request, put_load, reports
from service_overload import overload_rows
from service_peer import peer_rows
from service_process import Row, Served, print_rows, served, spread

PARTS = ("own", "throughput", "peer", "overload")
OWN_MS = 3.0
OF_BARE = 0.85
CLIENTS = 8
Groups = Mapping[str, Sequence[bytes]]


def usable(service: Served, images: Sequence[bytes]) -> dict[bytes, tuple[str, ...]]:
    """The images that are analysed, and the models that each goes through."""
    requests = tuple(analyze_request(image) for image in images)
    outcome = put_load(Load(service.port, requests, count=len(images), keep="bodies"))
    models = {
        images[reply.request]: tuple(model["name"] for model in report["models"])
        for reply, report in reports(outcome)
    }
    if not models:
        raise SystemExit(f"no image was analysed: {outcome.statuses}")
    return models


def own_rows(service: Served, groups: Groups, *, rounds: int) -> Iterator[Row]:
    """A request's own cost in milliseconds, of each group and of all."""
    every: list[float] = []
    for name, images in groups.items():
        requests = tuple(analyze_request(image) for image in images)
        load = Load(service.port, requests, count=rounds * len(images), keep="bodies")
        replies = list(reports(put_load(load)))
        whole = [reply.seconds * 1000 for reply, _ in replies]
        took = [report["timings_ms"] for _, report in replies]
        http = [client - one["total"] for client, one in zip(whole, took, strict=True)]
        own = [one["own"] + outside for one, outside in zip(took, http, strict=True)]
        every += own
        held = statistics.median(own) <= OWN_MS
        yield Row(f"{name}: a request's own cost, ms", spread(own), f"median ≤ {OWN_MS:g}", held)
        yield Row(f"{name}: of that in the analysis (`own`)", spread([t["own"] for t in took]))
        yield Row(f"{name}: of that HTTP (client's time less `total`)", spread(http))
        yield Row(f"{name}: besides, `wait`", spread([one["wait"] for one in took]))
        yield Row(f"{name}: `decode`", spread([one["decode"] for one in took]))
        yield Row(f"{name}: the whole request", spread(whole))
    held = statistics.median(every) <= OWN_MS
    yield Row("all: a request's own cost, ms", spread(every), f"median ≤ {OWN_MS:g}", held)


def throughput_rows(
    service: Served, images: Mapping[bytes, tuple[str, ...]], *, seconds: float, rounds: int
) -> Iterator[Row]:
    """Images in a second: the service at 8 clients, the bare sessions both ways, the ratios."""
    bundles = shipped(sorted({name for names in images.values() for name in names}))
    inputs: list[Prepared] = [
        prepared(image, {name: bundles[name] for name in names}) for image, names in images.items()
    ]
    bare = Bare(bundles)
    requests = tuple(analyze_request(image) for image in images)
    load = Load(service.port, requests, clients=CLIENTS, seconds=seconds)
    put_load(Load(service.port, requests, clients=CLIENTS, count=2 * len(requests)))
    rates: dict[str, list[float]] = {"service": [], "whole": [], "single": []}

    def measure(name: str) -> float:
        if name == "service":
            outcome = put_load(load)
            if len(outcome.of(200)) < len(outcome.replies) or outcome.broken:
                raise SystemExit(f"not every image was analysed: {outcome.statuses}")
            return outcome.goodput
        return (bare.whole if name == "whole" else bare.single)(inputs, seconds=seconds)

    for number in range(rounds):
        names = list(rates)
        for name in names[number % 3 :] + names[: number % 3]:
            rates[name].append(measure(name))
    told = {
        "service": f"service, {CLIENTS} clients: images in a second",
        "whole": "bare sessions of all threads, one image at a time",
        "single": "bare sessions of one thread, an image on each core",
    }
    for name, values in rates.items():
        yield Row(told[name], spread(values))
    for name in ("whole", "single"):
        ratios = [ours / bare for ours, bare in zip(rates["service"], rates[name], strict=True)]
        held = statistics.median(ratios) >= OF_BARE
        yield Row(f"service to {told[name]}", spread(ratios), f"≥ {OF_BARE}", held)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the service.")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=24, help="of hands, and of chests")
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    files = {
        "hands": hands(given.data, given.images),
        "chests": chests(given.data, given.images),
    }
    with served() as service:
        service.wait_until_ready()
        models = {name: usable(service, images) for name, images in files.items()}
        groups = {name: list(of_group) for name, of_group in models.items()}
        if "own" in given.parts:
            rows = own_rows(service, groups, rounds=given.rounds)
            print_rows("A request's own cost", list(rows))
        if "throughput" in given.parts:
            for name, of_group in models.items():
                rows = throughput_rows(
                    service, of_group, seconds=given.seconds, rounds=given.rounds
                )
                which = ", ".join(sorted({name for names in of_group.values() for name in names}))
                print_rows(f"Throughput, {name} ({which})", list(rows))
        if "overload" in given.parts:
            mixed = [image for images in groups.values() for image in images]
            requests = [analyze_request(image) for image in mixed]
            rows = overload_rows(service, requests, seconds=given.seconds, rounds=given.rounds)
            print_rows("Overload, hands and chests", list(rows))
    if "peer" in given.parts:
        rows = peer_rows(groups["hands"], seconds=given.seconds, rounds=given.rounds)
        print_rows("Beside FastAPI and ultralytics.YOLO, hands", list(rows))


if __name__ == "__main__":
    main()
