"""Training on several GPUs of one machine: a process each, the gradients averaged between them.

The processes are started by torch's own launcher and build Ultralytics' trainer, which averages the
gradients (DistributedDataParallel), each from the run folder. Ultralytics can start them itself,
but from a pickle of the trainer, and it empties the run folder first.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lucency.configs.errors import ConfigError
from lucency.configs.schema import read_config
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import CONFIG, LOG, TrainingProgress, read_rows

WORKER = "lucency.detection.several_gpus"
_POLL_S = 1.0
_GRACE_S = 30.0


def fit_on_gpus(
    config: DetectionConfig,
    run: Path,
    weights: Path,
    *,
    on_progress: Callable[[TrainingProgress], None],
) -> None:
    """Train in one process for each of ``config.devices``; what they say goes to a log.

    Progress is told after each epoch, from the run's table.

    Raises
    ------
    ConfigError
        A process failed.

    """
    with (run / LOG).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            launch_command(len(config.devices), run, weights), stdout=log, stderr=log
        )
        try:
            _watch(process, config, run, on_progress)
        finally:
            _end(process)
    if process.returncode:
        raise ConfigError(f"{run}: a process failed: {_last_error(run / LOG)}; see {run / LOG}")


def launch_command(processes: int, run: Path, weights: Path) -> list[str]:
    """The command that starts the processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [sys.executable, *launcher, "--module", WORKER, str(run.resolve()), str(weights)]


def _watch(
    process: "subprocess.Popen[bytes]",
    config: DetectionConfig,
    run: Path,
    on_progress: Callable[[TrainingProgress], None],
) -> None:
    told = len(read_rows(run))
    while process.poll() is None:
        time.sleep(_POLL_S)
        rows = read_rows(run)
        for row in rows[told:]:
            loss = sum(value for name, value in row.items() if name.startswith("train/"))
            on_progress(TrainingProgress(int(row["epoch"]), config.epochs, 1, 1, loss, row))
        told = max(told, len(rows))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the processes with this one: the launcher ends its own when asked to, not killed."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_error(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    told = [line.split("error: ", 1)[1] for line in lines if "error: " in line]
    return told[-1] if told else "no reason was given"


def main() -> None:
    """One of the processes: ``python -m lucency.detection.several_gpus RUN WEIGHTS``."""
    from lucency.configs.errors import LucencyError
    from lucency.detection.trainer import fit

    run, weights = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        fit(read_config(DetectionConfig, run / CONFIG), run, weights, on_progress=None)
    except LucencyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
