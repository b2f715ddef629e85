"""The bare ONNX Runtime sessions of the shipped models, on inputs that are prepared already.

What the service's throughput is measured against: no decoding, no display function, no boxes.
"""

import itertools
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.api.loading import find_any_bundle
from lucency.configs.bundle import Bundle, load_bundle
from lucency.configs.inference import InferenceOptions
from lucency.configs.session import open_session
from lucency.datasets.display import display
from lucency.datasets.model_input import model_input
from lucency.datasets.radiographs import decode_radiograph
from lucency.detection.decode import letterbox


@dataclass(frozen=True)
class Prepared:
    """The inputs of every model that an image goes through, by the model's name."""

    inputs: tuple[tuple[str, NDArray[np.float32]], ...]


def shipped(names: Sequence[str]) -> dict[str, Bundle]:
    """The shipped bundles of those names."""
    return {name: load_bundle(find_any_bundle(name)) for name in names}


def prepared(image: bytes, bundles: Mapping[str, Bundle]) -> Prepared:
    """Bring the file of an image to the inputs of the models."""
    radiograph = decode_radiograph(image, name="image")
    inputs = []
    for name, bundle in bundles.items():
        manifest = bundle.manifest
        shown = display(radiograph, manifest.display).image
        if manifest.task == "detection":
            if manifest.inference != InferenceOptions():
                raise SystemExit(f"{name}: looks more than once; this benchmark knows one look")
            batch, _ = letterbox(shown, input_size=manifest.input_size)
        else:
            size, channels = manifest.input_size, manifest.input_channels
            batch = model_input(shown, size=size, channels=channels)[None]
        inputs.append((name, batch))
    return Prepared(tuple(inputs))


class Sessions:
    """A session for each model, of so many threads; 0: one for each core."""

    def __init__(self, bundles: Mapping[str, Bundle], *, threads: int) -> None:
        # As the service opens them: with ONNX Runtime's defaults the threads of one session spin
        # while another's work, and three models in turn take twice as long.
        self._sessions = {
            name: open_session(bundle, threads=threads) for name, bundle in bundles.items()
        }
        self._inputs = {name: one.get_inputs()[0].name for name, one in self._sessions.items()}

    def run(self, image: Prepared) -> None:
        """All models, one after the other."""
        for name, batch in image.inputs:
            self._sessions[name].run(None, {self._inputs[name]: batch})


class Bare:
    """The two best ways to use the cores: all for one image, and one image for each."""

    def __init__(self, bundles: Mapping[str, Bundle]) -> None:
        self._whole = Sessions(bundles, threads=0)
        cores = len(os.sched_getaffinity(0))
        self._single = [Sessions(bundles, threads=1) for _ in range(cores)]

    def whole(self, images: Sequence[Prepared], *, seconds: float) -> float:
        """Images in a second: sessions with all threads, one image after the other."""
        return _rate([self._whole], images, seconds=seconds)

    def single(self, images: Sequence[Prepared], *, seconds: float) -> float:
        """Images in a second: a session of one thread on each core, all at the same time."""
        return _rate(self._single, images, seconds=seconds)


def _rate(workers: Sequence[Sessions], images: Sequence[Prepared], *, seconds: float) -> float:
    for sessions in workers:
        sessions.run(images[0])
    begin = time.perf_counter()
    ends: list[list[float]] = [[] for _ in workers]

    def work(sessions: Sessions, done: list[float], first: int) -> None:
        for image in itertools.islice(itertools.cycle(images), first, None):
            if time.perf_counter() - begin >= seconds:
                return
            sessions.run(image)
            done.append(time.perf_counter())

    threads = [
        threading.Thread(target=work, args=(sessions, done, first))
        for first, (sessions, done) in enumerate(zip(workers, ends, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(end - begin <= seconds for done in ends for end in done) / seconds
