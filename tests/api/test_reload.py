import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lucency.api.pipeline import Pipeline
from lucency.api.reload import LoadedModels, NotReadyError
from lucency.configs.bundle import Bundle

Png = Callable[..., bytes]


class Closed:
    """Stands in for a pipeline; knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def models() -> Iterator[LoadedModels]:
    loaded = LoadedModels()
    yield loaded
    loaded.close()


def test_without_models_nobody_may_use_them(models: LoadedModels) -> None:
    assert not models.ready
    with pytest.raises(NotReadyError, match="still being loaded"), models.use():
        pytest.fail("there is nothing to use")


def test_a_former_pipeline_is_closed_when_its_last_user_has_left(models: LoadedModels) -> None:
    first, second = Closed(), Closed()
    models.replace(first)  # type: ignore[arg-type]
    with models.use() as one, models.use():
        models.replace(second)  # type: ignore[arg-type]
        assert one is first
        assert first.closed == 0
        with models.use() as other:
            assert other is second
    assert (first.closed, second.closed) == (1, 0)
    models.close()
    models.close()
    assert (first.closed, second.closed) == (1, 1)
    assert not models.ready


def test_an_error_leaves_no_user_behind(models: LoadedModels) -> None:
    first = Closed()
    models.replace(first)  # type: ignore[arg-type]
    with pytest.raises(KeyError), models.use():
        raise KeyError
    models.close()
    assert first.closed == 1


def test_no_request_is_dropped_while_models_are_replaced(
    models: LoadedModels, detector_bundle: Bundle, classifier_bundle: Bundle, png: Png
) -> None:
    bundles = [detector_bundle, classifier_bundle]
    models.replace(Pipeline(bundles, cores=1))
    done = threading.Event()
    answers: list[str] = []

    def ask() -> None:
        while not done.is_set():
            with models.use() as pipeline:
                answers.append(pipeline.analyze(png(), name="a").report.id)

    with ThreadPoolExecutor(3) as threads:
        asking = [threads.submit(ask) for _ in range(3)]
        for _ in range(5):
            models.replace(Pipeline(bundles, cores=1))
        done.set()
        for one in asking:
            one.result(20)
    assert len(answers) >= 3
    assert len(set(answers)) == 1
