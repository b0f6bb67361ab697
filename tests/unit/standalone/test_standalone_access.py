import subprocess
import sys
from pathlib import Path


def test_a_stack_that_strangers_could_use_is_not_started(tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [sys.executable, "-m", "unmask_standalone", "serve"]
    started = subprocess.run(
        [*command, "--host", "0.0.0.0", "--data-dir", str(data)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert started.returncode == 1
    assert "UNMASK_ACCESS=keys" in started.stderr
    assert not data.exists()
