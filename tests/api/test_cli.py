import signal
import subprocess
import sys
import time
from pathlib import Path


def test_a_terminated_command_leaves_nothing_behind(tmp_path: Path) -> None:
    out = tmp_path / "phantoms"
    program = "from lucency.api.cli import main; main()"
    command = [sys.executable, "-c", program, "phantoms", str(out), "--patients", "2000"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        limit = time.monotonic() + 60
        while not list(tmp_path.glob(".phantoms.*/*")) and time.monotonic() < limit:
            time.sleep(0.02)
        assert list(tmp_path.glob(".phantoms.*/*")), "nothing was begun"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert list(tmp_path.iterdir()) == []
