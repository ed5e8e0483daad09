"""The same tasks on Ray Data, for cohorts that outgrow one machine: `pip install contralens[cluster]`.

Contralens, the study and the pictures must be at the same places on every machine. Records stream back as they are
finished, in no order; a bad picture is a `failed` record as on one machine, a lost machine's rows are run again by Ray.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from core.errors import UserError
from core.evaluation.engine import Record, Row, Task, attempt

BLOCK = 32  # rows a worker takes at once, at most: what is lost when it dies, and how late a record may come back
PATIENCE = 10.0  # seconds to wait for a cluster's port


class RowWorker:
    """A task in a process of its own, which opens its study once."""

    def __init__(self, task: Task) -> None:
        torch.set_num_threads(1)  # as the local engine: threads change the last digits
        self.task = task

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Rows and records are JSON: Arrow would give every record the keys of all others."""
        return {"record": [json.dumps(attempt(self.task, json.loads(row))) for row in batch["row"]]}


def run_on_ray(task: Task, rows: Iterable[Row], address: str | None) -> Iterator[Record]:
    """Records of all rows, as they are finished. With no address, Ray runs on this machine, a worker for every CPU.

    address: host:port of a cluster's head from one of its machines, or auto. A running Ray session of this process is
    used as it is. Raises UserError when Ray is not installed, when no cluster answers at the address, when it is a Ray
    Client's (ray://), which Ray Data cannot use, and when the task wants a GPU and there is none.
    """
    own = start_ray(address)
    import ray

    try:
        gpu = task.device.startswith("cuda")
        workers = int(ray.cluster_resources().get("GPU" if gpu else "CPU", 0))
        if not workers:
            raise UserError(f"The Ray cluster has no {'GPU; pass --device cpu' if gpu else 'CPU to work on'}.")
        items = [{"row": json.dumps(row)} for row in rows]
        block = max(1, min(BLOCK, len(items) // (4 * workers)))
        workers = min(workers, len(items))
        asked: dict[str, Any] = {"num_gpus": 1} if gpu else {"num_cpus": 1}
        data = ray.data.from_items(items, override_num_blocks=-(-len(items) // block)).map_batches(
            RowWorker, fn_constructor_args=(task,), batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=workers), **asked,
        )  # fmt: skip
        for found in data.iter_rows():
            yield json.loads(found["record"])
    finally:
        if own:
            ray.shutdown()


def start_ray(address: str | None = None, workers: int | None = None) -> bool:
    """Join the cluster at `address`, or start Ray here with so many workers, by default one for every CPU.

    Returns False when Ray was running already. Raises UserError as `run_on_ray` does.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError("The engine 'ray' needs Ray: pip install contralens[cluster]") from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    if ray.is_initialized():
        return False
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        ray.init(
            address="local", num_cpus=workers, include_dashboard=False, runtime_env={"env_vars": _surroundings()},
            **quiet,
        )  # fmt: skip
        return True
    _knock(address)
    try:
        ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError, AssertionError, ImportError, ray.exceptions.RayError) as fault:
        first = (str(fault).strip().splitlines() or [type(fault).__name__])[0].rstrip(".")
        raise UserError(
            f"The Ray cluster at {address} does not let us in: {first}. If it asks for a token, set "
            "RAY_AUTH_MODE=token and give Ray the token as its documentation says; the versions of Ray and Python "
            "must be the cluster's."
        ) from None
    return True


def _surroundings() -> dict[str, str]:
    """What workers on this machine must know of this process: where its code is, and which studies are installed."""
    checkout = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (checkout, os.environ.get("PYTHONPATH", "")) if p)
    named = {k: os.environ[k] for k in ("CONTRALENS_CHECKPOINTS",) if k in os.environ}
    return {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | named


def _knock(address: str) -> None:
    """Ray waits for minutes, or ends the process, where nobody answers; a port says so at once."""
    if address.startswith("ray://"):
        raise UserError(
            f"Ray Data cannot be driven through a Ray Client ({address}); run this on one of the cluster's machines "
            "with --address auto, or send it there with: ray job submit -- contralens ..."
        )
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UserError(f"'{address}' is no address of a Ray cluster; pass host:6379, or auto on one of its machines.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError):
        raise UserError(f"No Ray cluster answers at {address}; start one with: ray start --head") from None
