"""What a reader must know beside the table: the dataset, how to read the numbers, how to repeat them."""

from __future__ import annotations

from ..metrics import metrics
from ..spec import DatasetSpec
from ..task import Task
from .neighbours import LEVEL
from .standing import Standing, rises
from .tables import number


def dataset_facts(standing: Standing) -> dict[str, str]:
    """Name of the fact -> fact."""
    spec = standing.spec
    times = spec.times
    return {
        "title": spec.title,
        "card": f"{spec.name}, version {spec.version}",
        "digest": spec.digest,
        "licence": spec.licence,
        "source": " ".join(spec.source.split()),
        "truth": f"{spec.solver.name} at {_shape(spec.grid.shape)}",
        "stored": f"{_shape(spec.store.shape)}, {spec.store.dtype}",
        "frames": f"{times.frames}, every {times.step:g} from {times.start:g} ({spec.units})",
        "members": ", ".join(f"{len(spec.split(name))} {name}" for name in spec.splits),
    }


def task_facts(standing: Standing) -> dict[str, str]:
    task, spec = standing.task, standing.spec
    return {
        "task": f"{task.name}, version {task.version}",
        "given": f"{task.history} {'frame' if task.history == 1 else 'frames'}",
        "predicted": _predicted(task, spec),
        "scored on": f"{len(spec.split(task.split))} members of the {task.split} split",
    }


def _predicted(task: Task, spec: DatasetSpec) -> str:
    said = f"{task.horizon} {'frame' if task.horizon == 1 else 'frames'}, {task.stride * spec.times.step:g} apart"
    if task.every is None:
        return said
    return f"{said}; from every {'' if task.every == 1 else f'{task.every}. '}start: the mean over them"


def commands(standing: Standing) -> list[str]:
    """From nothing to a place on this table."""
    data = standing.spec.name
    return [
        f"pdebench generate {data} --out {data}.zarr",
        f"pdebench evaluate MODEL {standing.task.name} --store {data}.zarr --out record.json",
        "pdebench submit record.json",
    ]


def notes(standing: Standing) -> list[str]:
    """How to read the table, one paragraph each."""
    task = standing.task
    floor = standing.floor_score
    said = [
        f"Ranked by {task.primary}, {'more' if rises(task.primary) else 'less'} is better: the "
        f"{metrics[task.primary].typical} over samples of the mean over times and fields. Brackets: 95 % percentile "
        "bootstrap interval over the samples.",
    ]
    if floor is not None:
        said.append(
            f"The truth itself is uncertain by {number(floor)}: the relative L² difference from a solution that is "
            "finer in space and time. Models below it are tied at the truth’s error bar and are listed by name."
        )
    else:
        said.append("The error of the truth itself is not known in this metric: no tie with it can be shown.")
    said += [
        "Training seeds: one row is one model, however often it was trained; its score is the mean over trainings, the "
        "range below the number of seeds is their least and greatest score. The bracketed interval is over samples "
        "and says nothing of seeds.",
        "Medians are not tested against the place above: the intervals say how far they may be trusted."
        if metrics[task.primary].typical == "median"
        else "Against the place above: p of a two-sided paired permutation test (signs of the differences per sample "
        "exchanged; Good 2005, §3.6), with Holm’s correction (1979) over all neighbours of the table. Above "
        f"{LEVEL:g} the two are not told apart: another set of samples may turn their order. The test is about these "
        "trainings; where the ranges over seeds overlap, other trainings may turn the order, too (“seeds overlap”).",
        "Pareto front: no model timed on the same hardware is at least as good in error, seconds and trained "
        "parameters and better in one of them. Errors below the truth’s own count as equal; classical solvers and "
        "references have no parameters.",
        "Seconds per trajectory: at the better of one trajectory at a time and batches, on the hardware that the "
        "record names; by the wall clock, or by the processor’s where that is said. Models are compared only with "
        "classical solvers timed on the same hardware by the same clock.",
        "Speed-up: the classical solvers’ seconds at equal error over the model’s. Equal error is read off the "
        "best classical points, "
        + ("linear in the score" if rises(task.primary) else "interpolated linearly in log error and log seconds")
        + ". Outside their range only a bound is known: ≤ where even the cheapest classical point is more accurate, "
        "≥ where the model is more accurate than the dearest. An error below the truth’s own counts "
        "as the truth’s own.",
        "Break-even N*: the least number of solves N with C_data + C_train + N·C_infer < N·C_classical, all in "
        "seconds; C_data is the generation of the training split as the baselines’ records tell it, C_train one "
        "training, C_classical the classical solver of equal error. "
        "∞ where the model never wins. C_train is by the clock said below it, C_infer and C_classical by that of the "
        "inference: “training by another clock” marks where C_train and C_infer differ; C_data is wall-clock time "
        "always, so it differs from every N* by the processor’s clock. Such an N* is as rough as the machine was busy.",
        "Diverged: the score is not finite. Such models come last.",
    ]
    if any(metrics[name].typical == "median" for name in task.metrics):
        said.append(
            "Times (such as correlation_time, or valid_time in Lyapunov times) end with the roll-out: of those said to "
            "reach the end only a lower bound is known. So their score is the median over samples, which is right as "
            "long as fewer than half of them reach it; where more do, it is the end itself."
        )
    return said


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
