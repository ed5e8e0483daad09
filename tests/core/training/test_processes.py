"""Two processes with gloo compute what one does on their batches together."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[3]

SCRIPT = """
import sys, torch
from torch import nn
from core.training.loop import Budget, average_gradients, is_main, run, start_processes, world

torch.set_num_threads(1)
assert start_processes("cpu") == torch.device("cpu")
rank, size = world()
assert size == 2
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1))
unused = nn.Linear(2, 2)  # a parameter without a gradient
x, y = torch.randn(8, 5), torch.randn(8, 1)
share = slice(4 * rank, 4 * rank + 4)
(net(x[share]) - y[share]).square().mean().backward()
average_gradients([*net.parameters(), *unused.parameters()])
torch.save([p.grad for p in net.parameters()], f"{sys.argv[1]}/gradients-{rank}.pt")


class Sleepy:  # the second process is slower, yet both must stop at the same step
    def step(self, index, fraction):
        import time
        time.sleep(0.01 * (1 + rank))
        return {}
    def state(self): return {}
    def restore(self, state): pass
    def sample(self, path): assert is_main()


outcome = run(Sleepy(), Budget(minutes=0.5 / 60), __import__("pathlib").Path(sys.argv[1]))
open(f"{sys.argv[1]}/steps-{rank}", "w").write(str(outcome.steps))
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_two_processes_are_one_with_a_batch_twice_as_large(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    together = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path)],
            env=os.environ | together | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=100)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 1))
    torch.nn.Linear(2, 2)
    x, y = torch.randn(8, 5), torch.randn(8, 1)
    (net(x) - y).square().mean().backward()
    for rank in (0, 1):
        for got, p in zip(torch.load(tmp_path / f"gradients-{rank}.pt"), net.parameters(), strict=True):
            torch.testing.assert_close(got, p.grad)
    assert (tmp_path / "steps-0").read_text() == (tmp_path / "steps-1").read_text()
