"""Training in several processes.

Ultralytics averages gradients between GPUs only. So that the same code runs on two processes of a
machine without any, the worker here replaces what names a GPU: the group's back end and device.
"""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from lucency.annotations.records import read_dataset
from lucency.configs.errors import ConfigError
from lucency.datasets.placement import apply_split
from lucency.datasets.split import keep_splits
from lucency.detection import several_gpus
from lucency.detection.offline_ultralytics import import_ultralytics
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import FIRST_BATCH, LOG, RESUME, TrainingProgress, read_rows
from lucency.detection.several_gpus import fit_on_gpus, launch_command
from lucency.detection.train import train

ON_PROCESSORS = """
import functools
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

from lucency.detection import several_gpus, trainer

if os.environ.get("FAIL"):
    sys.exit("error: the second GPU is on fire")
if os.environ.get("HANG"):
    Path(os.environ["HANG"] + os.environ["RANK"]).write_text(str(os.getpid()))
    time.sleep(60)


class OnProcessors(trainer.RadiographTrainer):
    def _setup_ddp(self):
        dist.init_process_group("gloo")

    def _do_train(self):
        self.world_size = 2
        super()._do_train()


def averaged(tensor, dst, op=None):
    reduce(tensor, dst, op=dist.ReduceOp.SUM)
    tensor /= 2


plain = torch.nn.parallel.DistributedDataParallel
torch.nn.parallel.DistributedDataParallel = lambda model, device_ids, **more: plain(model, **more)
reduce, dist.reduce = dist.reduce, averaged
trainer.RadiographTrainer = OnProcessors
trainer._device = lambda config: "cpu"
several_gpus.main()
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "on_processors.py").write_text(ON_PROCESSORS, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(several_gpus, "WORKER", "on_processors")
    monkeypatch.setattr("lucency.detection.train._check_devices", lambda _: None)


def write_set(root: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = ["image,split,patient_id,status,width,height,sha256,source"]
    for split, count in (("train", 8), ("val", 4)):
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True)
        for number in range(count):
            name = f"{split}{number}"
            image = rng.integers(0, 60, (64, 64), dtype=np.uint8)
            image[20:40, 20:40] = 230
            cv2.imwrite(str(root / f"images/{split}/{name}.png"), image)
            (root / f"labels/{split}/{name}.txt").write_text("0 0.47 0.47 0.31 0.31\n")
            digest = hashlib.sha256((root / f"images/{split}/{name}.png").read_bytes()).hexdigest()
            rows.append(f"images/{split}/{name}.png,{split},{name},annotated,64,64,{digest},x")
    (root / "dataset.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (root / "data.yaml").write_text(
        "train: images/train\nval: images/val\nnames: [square]\n", encoding="utf-8"
    )
    apply_split(keep_splits(read_dataset(root)))
    return root


def config(weights: Path, **changes: object) -> DetectionConfig:
    values = {
        "task": "detection", "name": "two", "weights": str(weights), "image_size": 64,
        "epochs": 2, "batch": 4, "device": (0, 1), "workers": 0,
        "ultralytics": {"nbs": 4, "optimizer": "AdamW", "lr0": 0.001, "amp": False},
    }  # fmt: skip
    return DetectionConfig.model_validate({**values, **changes})


def test_the_command_starts_a_process_for_each_gpu() -> None:
    command = launch_command(3, Path("run"), Path("weights/start.pt"))
    assert command[:3] == [sys.executable, "-m", "torch.distributed.run"]
    assert "--nproc-per-node=3" in command
    assert command[-4:] == [
        "--module", "lucency.detection.several_gpus", str(Path("run").resolve()),
        "weights/start.pt",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.xdist_group("detector-training")
@pytest.mark.usefixtures("worker")
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set")
    untrained = tmp_path / "untrained.pt"
    import_ultralytics().YOLO("yolo11n.yaml").save(str(untrained))
    seen: list[TrainingProgress] = []
    summary = train(config(untrained), root, tmp_path / "run", on_progress=seen.append)
    assert summary.epochs == 2
    assert [state.epoch for state in seen] == [1, 2]
    assert seen[0].metrics["metrics/recall(B)"] >= 0
    assert (tmp_path / "run" / FIRST_BATCH).is_file()
    assert (tmp_path / "run/config.yaml").is_file()
    assert not (tmp_path / "run" / RESUME).exists()
    options = (tmp_path / "run/args.yaml").read_text(encoding="utf-8")
    assert "RandomGamma" in options


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
def test_a_process_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIL", "1")
    with pytest.raises(ConfigError, match=r"the second GPU is on fire; see .*log") as caught:
        fit_on_gpus(config(tmp_path / "x.pt"), tmp_path, tmp_path / "x.pt", on_progress=print)
    assert "\n" not in str(caught.value)
    assert (tmp_path / LOG).is_file()
    assert read_rows(tmp_path) == []


@pytest.mark.slow
def test_no_process_is_left_behind(tmp_path: Path) -> None:
    """SIGTERM reaches this process as an exception, and the others end with it."""
    (tmp_path / "on_processors.py").write_text(ON_PROCESSORS, encoding="utf-8")
    code = (
        "import signal, sys\n"
        "from pathlib import Path\n"
        "from lucency.detection import several_gpus\n"
        "from lucency.detection.recipe import DetectionConfig\n"
        "several_gpus.WORKER = 'on_processors'\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "run = Path(sys.argv[1])\n"
        "config = DetectionConfig(task='detection', name='x', device=(0, 1))\n"
        "several_gpus.fit_on_gpus(config, run, run / 'x.pt', on_progress=print)\n"
    )
    marks = tmp_path / "mark"
    environment = {
        **os.environ, "PYTHONPATH": str(tmp_path), "HANG": str(marks), "OMP_NUM_THREADS": "1"
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment)
    files = [Path(f"{marks}{rank}") for rank in range(2)]
    deadline = time.monotonic() + 120
    while not all(file.is_file() and file.read_text() for file in files):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.2)
    pids = [int(file.read_text()) for file in files]
    process.terminate()
    assert process.wait(60) == 143
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
