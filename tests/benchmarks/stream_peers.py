"""A stream beside one plain loopback TCP socket, in the same run: `python tests/benchmarks/stream_peers.py [MB]`.

A producer process sends frames that it has already, so that only the way to the batch is measured; the trainer copies
nothing that the stream does not. The socket's trainer receives straight into its batch: nothing is cheaper by TCP.
CPU seconds are those of both ends. All start counting after the first member, when every page has been touched.
Rounds are interleaved and the best counts.
"""

from __future__ import annotations

import multiprocessing
import socket
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from specs import tiny_spec

import pdebench
from pdebench.problem import Cost, Event, Frame, Outcome
from pdebench.spec import DatasetSpec
from pdebench.stream import StreamSink, sink

FRAMES, BATCH, ROUNDS = 128, 8, 3  # frames of a member
CONTEXT = multiprocessing.get_context("spawn")


def campaign(points: int, gigabytes: float) -> DatasetSpec:
    """One field of `points` squared, as many members as make `gigabytes`."""
    members = max(2, round(gigabytes * 1e9 / (4 * points**2 * FRAMES)))
    return tiny_spec(
        grid__shape=[points, points],
        store__shape=[points, points],
        times__frames=FRAMES,
        samples__count=members,
        samples__unit=1,
        splits={"train": [0, members]},
        solver={"name": "spectral", "batch": 1},
    )


def made(member: int, values: np.ndarray) -> Iterator[Event]:
    for index in range(FRAMES):
        yield Frame(np.array([member]), index, values)
    yield Outcome(member, Cost(), 0.0)


def produce(address: str, token: str, points: int, elsewhere: bool, spent: Any) -> None:
    if elsewhere:
        sink.host_identity = lambda: "elsewhere"
    link = StreamSink(address, token)
    values = np.random.default_rng(0).standard_normal((1, 1, points, points)).astype(np.float32)
    began = 0.0
    while (unit := link.next_unit()) is not None:
        link.write(unit, made(int(unit[0]), values))
        began = began or time.process_time()
    spent.put(time.process_time() - began)


def send(port: int, points: int, count: int, spent: Any) -> None:
    frame = np.random.default_rng(0).standard_normal((points, points)).astype(np.float32).tobytes()
    end = socket.create_connection(("127.0.0.1", port))
    began = 0.0
    for index in range(count):
        end.sendall(frame)
        if index == FRAMES:
            began = time.process_time()
    spent.put(time.process_time() - began)


def measured(work: Callable[[], int], worker: SpawnProcess, spent: Any) -> tuple[float, float]:
    """Bytes per second, and CPU seconds per GB of both ends, from the first batch on."""
    began, cpu = time.perf_counter(), time.process_time()
    size = work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu + spent.get()
    worker.join()
    return size / seconds, cpu / (size / 1e9)


def streamed(spec: DatasetSpec, *, elsewhere: bool = False) -> tuple[float, float]:
    points, spent = spec.grid.shape[0], CONTEXT.Queue()
    with pdebench.stream(
        spec, workers=0, batch_size=BATCH, start_every=2, buffer="fifo", capacity=4 * BATCH, listen="127.0.0.1:0"
    ) as stream:
        worker = CONTEXT.Process(target=produce, args=(stream.listening, stream.token, points, elsewhere, spent))
        worker.start()
        batches = iter(stream)
        for _ in range(FRAMES // 2 // BATCH):
            next(batches)
        return measured(lambda: sum(2 * 4 * points**2 * len(batch.member) for batch in batches), worker, spent)


def by_socket(spec: DatasetSpec) -> tuple[float, float]:
    points, spent = spec.grid.shape[0], CONTEXT.Queue()
    count = spec.samples.count * FRAMES
    listener = socket.create_server(("127.0.0.1", 0))
    worker = CONTEXT.Process(target=send, args=(listener.getsockname()[1], points, count, spent))
    worker.start()
    end, _ = listener.accept()
    batch = np.empty((4 * BATCH, points, points), np.float32)  # two batches in turn, as the stream has

    def receive(count: int) -> int:
        for index in range(count):
            view = memoryview(batch[index % len(batch)]).cast("B")
            while view:
                view = view[end.recv_into(view) :]
        return 4 * count * points**2

    receive(FRAMES)
    return measured(lambda: receive(count - FRAMES), worker, spent)


def main() -> None:
    sizes = [float(size) for size in sys.argv[1:]] or [1.0, 4.0, 8.0]
    print("| frame | way | GB/s | of the socket | CPU s/GB | of the socket |\n|---|---|---|---|---|---|")
    for size in sizes:
        spec = campaign(32 * round((size * 2**20 / 4) ** 0.5 / 32), 1.0 + size / 3)
        ways = {
            "one TCP socket": lambda spec=spec: by_socket(spec),
            "stream, one host": lambda spec=spec: streamed(spec),
            "stream, between hosts": lambda spec=spec: streamed(spec, elsewhere=True),
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                found[name].append(way())
        best = {name: (max(rate for rate, _ in runs), min(cpu for _, cpu in runs)) for name, runs in found.items()}
        base = best["one TCP socket"]
        for name, (rate, cpu) in best.items():
            print(
                f"| {size:g} MB | {name} | {rate / 1e9:.2f} | {rate / base[0]:.2f} | {cpu:.3f} | {cpu / base[1]:.2f} |"
            )


if __name__ == "__main__":
    main()
