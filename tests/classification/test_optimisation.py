"""Which parts learn how fast, and how that changes."""

from collections.abc import Callable

import pytest
import torch

from lucency.classification.networks import StagedNetwork, build_network, freeze_stages
from lucency.classification.optimisation import LEAST_RATE, build_optimiser, learning_rates
from lucency.classification.recipe import ClassificationConfig

MakeConfig = Callable[..., ClassificationConfig]


@pytest.fixture
def network() -> StagedNetwork:
    return build_network("small_cnn", classes=1, channels=1)


def rates(optimiser: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimiser.param_groups]


def test_earlier_stages_learn_more_slowly(network: StagedNetwork, make_config: MakeConfig) -> None:
    freeze_stages(network, 1)
    config = make_config(learning_rate=1e-4, stage_decay=0.5, weight_decay=1e-4)
    optimiser = build_optimiser(network, config, head_alone=False)
    assert isinstance(optimiser, torch.optim.AdamW)
    # The head, blocks 4, 3 and 2; block 1 is frozen.
    assert rates(optimiser) == pytest.approx([1e-4, 1e-4, 5e-5, 2.5e-5])
    assert all(group["weight_decay"] == 1e-4 for group in optimiser.param_groups)
    held = [p for group in optimiser.param_groups for p in group["params"]]
    assert len(held) == len({id(p) for p in held})
    assert {id(p) for p in held} == {id(p) for p in network.parameters() if p.requires_grad}


def test_the_head_alone_learns_at_its_own_rate(
    network: StagedNetwork, make_config: MakeConfig
) -> None:
    freeze_stages(network, len(network.stages))
    config = make_config(head_learning_rate=1e-3, learning_rate=1e-4)
    optimiser = build_optimiser(network, config, head_alone=True)
    assert rates(optimiser) == [1e-3]
    held = {id(p) for p in optimiser.param_groups[0]["params"]}
    assert held == {id(p) for p in network.head.parameters()}


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)])
def test_other_optimisers(
    network: StagedNetwork, make_config: MakeConfig, name: str, kind: type
) -> None:
    optimiser = build_optimiser(network, make_config(optimiser=name), head_alone=False)
    assert type(optimiser) is kind
    if name == "sgd":
        assert optimiser.param_groups[0]["momentum"] == 0.9


def test_restarts_come_after_10_and_30_epochs(
    network: StagedNetwork, make_config: MakeConfig
) -> None:
    config = make_config(learning_rate=1e-4, stage_decay=0.5, epochs=40)
    optimiser = build_optimiser(network, config, head_alone=False)
    schedule = learning_rates(optimiser, config, epochs=40, steps=2)
    found = []
    for _ in range(80):
        found.append(rates(optimiser))
        optimiser.step()
        schedule.step()
    restarts = [n / 2 for n in range(1, 80) if found[n][0] > found[n - 1][0]]
    assert restarts == [10.0, 30.0]
    assert found[20] == pytest.approx(found[0])
    assert min(row[-1] for row in found) > LEAST_RATE == 1e-7


def test_one_cycle_keeps_the_stages_apart(network: StagedNetwork, make_config: MakeConfig) -> None:
    config = make_config(schedule="one_cycle", learning_rate=1e-3, stage_decay=0.5)
    optimiser = build_optimiser(network, config, head_alone=False)
    schedule = learning_rates(optimiser, config, epochs=5, steps=4)
    highest = rates(optimiser)
    for _ in range(19):
        optimiser.step()
        schedule.step()
        highest = [max(pair) for pair in zip(highest, rates(optimiser), strict=True)]
    assert highest == pytest.approx([1e-3, 1e-3, 5e-4, 2.5e-4, 1.25e-4], rel=0.02)
