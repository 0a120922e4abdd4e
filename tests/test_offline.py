"""The whole demo with the network cut: a namespace that has a loopback and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Brings the loopback of the new namespace up, proves that there is nothing beyond it, and becomes the demo.
PROGRAM = """
import fcntl, os, socket, struct, sys
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(probe, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: IFF_UP | IFF_RUNNING
assert [name for _, name in socket.if_nameindex()] == ["lo"], socket.if_nameindex()
try:
    socket.create_connection(("192.0.2.1", 80), timeout=2)
except OSError as error:
    print("cut:", error.strerror, flush=True)
os.execv(sys.executable, [sys.executable, "-m", "pipelines.cli.main", *sys.argv[1:]])
"""


def _unshare() -> list[str]:
    if os.geteuid() == 0:
        return ["unshare", "--net"]
    return ["unshare", "--user", "--map-current-user", "--keep-caps", "--net"]


def _can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_unshare(), "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_unshare(), reason="this machine allows no network namespace (unshare --net)")
def test_the_demo_runs_with_the_network_cut_and_the_second_time_nothing_changed(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SUIMON_STATE": str(tmp_path / "state")}

    def suimon(*arguments: str) -> str:
        command = [*_unshare(), sys.executable, "-c", PROGRAM, *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        first = suimon("demo")
        assert first.startswith("cut:")
        assert "operations: published" in first
        assert "community: published" in first
        answers = first.split("suimon search")
        assert "MG-204 maintenance manual" in answers[1]
        assert "放流手順" in answers[2]
        # Each namespace has a loopback of its own: the embedding server of the first is out of reach.
        subprocess.run([sys.executable, "-m", "pipelines.cli.main", "down"], cwd=ROOT, env=environment, check=True)
        assert "operations: nothing changed" in suimon("refresh")
    finally:
        subprocess.run(
            [sys.executable, "-m", "pipelines.cli.main", "down"],
            cwd=ROOT,
            env=environment,
            check=False,
            capture_output=True,
        )
