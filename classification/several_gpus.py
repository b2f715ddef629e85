"""Training on several GPUs of one machine: `torchrun` starts a process for each.

All draw the same images from the same seed, each learns from its share of every batch, and the
gradients are averaged (Li et al., PyTorch Distributed, VLDB 2020). The first process alone
validates and writes; the others hear from it how the epoch went.
"""

import atexit
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

from lucency.configs.errors import ConfigError, LucencyError

# How long a process waits for the first, which may have a large set to decode.
_PATIENCE = timedelta(hours=6)

T = TypeVar("T")
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Processes:
    """The processes of a training, and which of them this one is; alone, it is the first of one."""

    device: torch.device
    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process validates, writes and tells of progress."""
        return self.rank == 0

    def by_first(self, action: Callable[[], T]) -> T:
        """Have the first process do something, and give all of them what it found.

        An error that it ran into is raised in all.
        """
        if self.count == 1:
            return action()
        told: list[T | LucencyError | None] = [None]
        if self.first:
            try:
                told = [action()]
            except LucencyError as error:
                told = [error]
        dist.broadcast_object_list(told, src=0, device=self.device)
        if isinstance(told[0], LucencyError):
            raise told[0]
        return told[0]  # type: ignore[return-value]

    @property
    def description(self) -> str:
        """What the training runs on, for people."""
        if self.device.type == "cuda":
            name = torch.cuda.get_device_name(self.device)
            return name if self.count == 1 else f"{self.count} × {name}"
        processes = "" if self.count == 1 else f"{self.count} processes, "
        return f"{processes}{torch.get_num_threads()} threads of {platform.machine()}"

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Let the first process pass before the others, which find what it left on the disk."""
        if not self.first:
            dist.barrier()
        yield
        if self.first and self.count > 1:
            dist.barrier()

    def mean(self, value: float) -> float:
        """The mean of what the processes have."""
        if self.count == 1:
            return value
        total = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return float(total) / self.count

    def synchronised(self, network: Network) -> Network:
        """The network with BatchNorm over the images of all GPUs; its tensors keep their names.

        PyTorch has it on GPUs alone: on processors each process normalises its own share.
        """
        if self.count == 1 or self.device.type != "cuda":
            return network
        made: Network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return made

    def averaging(self, network: nn.Module) -> nn.Module:
        """What to call in training, so that gradients are averaged; made anew for each phase.

        What is frozen then takes no part in it.
        """
        if self.count == 1:
            return network
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=devices)


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """Yield the processes that `torchrun` started, or this one alone, with the device of each.

    Raises
    ------
    ConfigError
        There are more processes than GPUs.

    """
    cuda = torch.cuda.is_available()
    count = int(os.environ.get("WORLD_SIZE", "1")) if dist.is_torchelastic_launched() else 1
    if count == 1:
        yield Processes(torch.device("cuda" if cuda else "cpu"))
        return
    local = int(os.environ["LOCAL_RANK"])
    if cuda and local >= torch.cuda.device_count():
        raise ConfigError(
            f"torchrun: started {count} processes for {torch.cuda.device_count()} GPUs; set "
            "--nproc-per-node to their number"
        )
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    # Once for the life of a process: what `torchrun` lends them to meet by serves one meeting.
    if not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo", timeout=_PATIENCE)
    atexit.unregister(_leave_together)
    yield Processes(device, dist.get_rank(), dist.get_world_size())
    # Not after an error: the others would be waited for, and `torchrun` ends them.
    atexit.register(_leave_together)


def _leave_together() -> None:
    """End the group once all are done with it: one that loses the others at work may abort."""
    dist.barrier()
    dist.destroy_process_group()


class SharedDraw(torch.utils.data.Sampler[int]):
    """One process' share of images that all processes draw alike.

    ``weights`` (N,) say how often each image is drawn, with replacement; with None each is drawn
    once. ``batch`` is the share of one process in a batch. N images make an epoch, less what is
    left over of the last batch.
    """

    def __init__(
        self, weights: torch.Tensor | None, *, images: int, batch: int, processes: Processes
    ) -> None:
        self._weights = weights
        self._images = images
        self._batch = batch
        self._processes = processes
        self._seed = 0

    def set_epoch(self, seed: int) -> None:
        """Fix what is drawn next; every process must be told the same."""
        self._seed = seed

    def __len__(self) -> int:
        return self._images // (self._batch * self._processes.count) * self._batch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed)
        if self._weights is None:
            drawn = torch.randperm(self._images, generator=generator)
        else:
            drawn = torch.multinomial(self._weights, self._images, True, generator=generator)
        whole = len(self) * self._processes.count
        shares = drawn[:whole].reshape(-1, self._processes.count, self._batch)
        yield from shares[:, self._processes.rank].reshape(-1).tolist()
