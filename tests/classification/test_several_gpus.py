"""Training in several processes, on processors: the code is the same on GPUs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from lucency.annotations.records import Dataset
from lucency.classification.batches import set_epoch, training_batches
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import read_environment, read_history
from lucency.classification.several_gpus import Processes, SharedDraw, joined_processes
from lucency.configs.errors import ConfigError, DatasetError
from lucency.configs.schema import dump_yaml
from lucency.datasets.labelled import labelled_split

CPU = torch.device("cpu")
# Run in two processes: once undisturbed, once killed in the second epoch and resumed; and what
# becomes of gradients and errors.
WORKER = """
import json, sys
from pathlib import Path
import torch
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.several_gpus import joined_processes
from lucency.classification.train import train
from lucency.configs.errors import DatasetError
from lucency.configs.schema import read_config

class Killed(Exception):
    pass

def kill(state):
    if state.epoch == 2:
        raise Killed

folder = Path(sys.argv[1])
config = read_config(ClassificationConfig, folder / "two.yaml")
train(config, folder / "set", folder / "whole")
try:
    train(config, folder / "set", folder / "killed", progress=kill)
except Killed:
    train(config, folder / "set", folder / "killed", resume=True)

def refuse():
    raise DatasetError("the first found no images")

with joined_processes() as processes:
    linear = torch.nn.Linear(1, 1)
    parallel = processes.averaging(linear)
    parallel(torch.tensor([[1.0 + processes.rank]])).sum().backward()
    told = {"gradient": float(linear.weight.grad), "mean": processes.mean(processes.rank)}
    told["first"] = processes.by_first(lambda: processes.rank)
    try:
        processes.by_first(refuse)
    except DatasetError as error:
        told["error"] = str(error)
    (folder / f"told{processes.rank}.json").write_text(json.dumps(told))
"""


@pytest.mark.slow
def test_two_processes_train_one_model_and_resume_alike(
    tmp_path: Path,
    make_set: Callable[..., Dataset],
    make_config: Callable[..., ClassificationConfig],
) -> None:
    make_set(tmp_path / "set")
    config = make_config(network="small_cnn", weights="none", epochs=2)
    (tmp_path / "two.yaml").write_text(dump_yaml(config), encoding="utf-8")
    (tmp_path / "worker.py").write_text(WORKER, encoding="utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    ended = subprocess.run(
        [*launcher, "--nproc-per-node=2", str(tmp_path / "worker.py"), str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    whole, resumed = (read_history(tmp_path / name) for name in ("whole", "killed"))
    assert [row.epoch for row in whole] == [1, 2]
    assert [row.val_loss for row in resumed] == [row.val_loss for row in whole]
    weights = [
        safetensors.torch.load_file(tmp_path / name / "best.safetensors")
        for name in ("whole", "killed")
    ]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert "2 processes" in read_environment(tmp_path / "whole")["machine"]
    for rank in (0, 1):
        told = json.loads((tmp_path / f"told{rank}.json").read_text())
        assert told == {
            "gradient": 1.5,
            "mean": 0.5,
            "first": 0,
            "error": "the first found no images",
        }


def test_one_process_is_the_first_of_one() -> None:
    with joined_processes() as processes:
        assert (processes.first, processes.count) == (True, 1)
        network = nn.Linear(1, 1)
        assert processes.averaging(network) is network
        assert processes.mean(0.25) == 0.25
        with pytest.raises(DatasetError), processes.in_turn():
            raise DatasetError("x")


def test_batch_normalisation_spans_the_gpus_and_keeps_its_names() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    names = list(network.state_dict())
    assert isinstance(Processes(CPU, 0, 2).synchronised(network)[1], nn.BatchNorm2d)
    made = Processes(torch.device("cuda", 0), 0, 2).synchronised(network)
    assert isinstance(made[1], nn.SyncBatchNorm)
    assert list(made.state_dict()) == names


class TestSharedDraw:
    @pytest.mark.parametrize("weighted", [True, False])
    def test_shares_are_parts_of_one_draw(self, weighted: bool) -> None:
        weights = torch.tensor([0.0] + [1.0] * 10) if weighted else None
        draws = [
            SharedDraw(weights, images=11, batch=2, processes=Processes(CPU, rank, 2))
            for rank in (0, 1)
        ]
        for draw in draws:
            draw.set_epoch(7)
        shares = [list(draw) for draw in draws]
        assert [len(share) for share in shares] == [len(draw) for draw in draws] == [4, 4]
        drawn = shares[0] + shares[1]
        if weighted:
            assert 0 not in drawn
        else:
            assert len(set(drawn)) == 8
        again = list(draws[0])
        assert again == shares[0]
        draws[0].set_epoch(8)
        assert list(draws[0]) != shares[0]

    def test_the_first_batch_of_all_is_the_beginning_of_the_draw(self) -> None:
        draws = [
            SharedDraw(None, images=9, batch=2, processes=Processes(CPU, rank, 2))
            for rank in (0, 1)
        ]
        order = torch.randperm(9, generator=torch.Generator().manual_seed(0)).tolist()
        first = [list(draw)[:2] for draw in draws]
        assert first == [order[:2], order[2:4]]


@pytest.mark.parametrize(("batch", "count"), [(5, 2), (2, 2)])
def test_a_batch_that_cannot_be_shared_is_refused(
    tmp_path: Path,
    make_set: Callable[..., Dataset],
    make_config: Callable[..., ClassificationConfig],
    batch: int,
    count: int,
) -> None:
    dataset = make_set(tmp_path)
    split = labelled_split(dataset, split="train", labels=("bright",))
    processes = Processes(CPU, 0, count)
    with pytest.raises(ConfigError, match=rf"batch: {batch} must give each of 2 processes"):
        training_batches(dataset, split, make_config(batch=batch), processes=processes)
    shared = training_batches(dataset, split, make_config(batch=8), processes=processes)
    set_epoch(shared, 3)
    assert [len(targets) for _, targets in shared] == [4]
