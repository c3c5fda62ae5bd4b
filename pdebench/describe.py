"""A dataset's README, written from its card: never edited by hand."""

from __future__ import annotations

from math import prod

from . import solve
from .problem import Field, inputs_of, is_steady
from .spec import Cases, DatasetSpec, Distribution

PICTURE = "picture.png"


def facts(spec: DatasetSpec) -> dict[str, str]:
    """Name of a fact -> the fact; what is code stands between backticks."""
    problem, _ = solve.prepare(spec)
    times, output = spec.times.values(), spec.output
    members = spec.samples.count
    inputs = inputs_of(problem)
    frames = len(times) * len(problem.fields) + len(inputs)
    size = members * frames * prod(output.shape) * (4 if spec.store.dtype == "float32" else 8)
    units = "" if spec.units == "SI" else ", non-dimensional"
    return {
        **({"inputs, the same at all times": _named(inputs) + units} if inputs else {}),
        "fields": _named(problem.fields) + units,
        "stored grid": f"{_shape(output.shape)} over {_shape(output.lengths)}, {spec.store.dtype}{_on_mesh(spec)}",
        "times": "none: one steady solution per member"
        if is_steady(problem)
        else f"{len(times)} frames from {times[0]:g} to {times[-1]:g}, every {spec.times.step:.10g}",
        **{f"`{name}`": _law(law) for name, law in spec.parameters.items()},
        "members": f"{members}: " + ", ".join(f"{k} {_runs(spec, k)}" for k in spec.splits),
        **{f"cases of {group.name}": _cases(group) for group in spec.cases},
        "size": f"{size / 1e9:.3g} GB{' on the grid' if spec.store.mesh else ''} "
        f"in units of {spec.samples.unit} members{_order(spec)}",
        "solver": f"{spec.solver.name} at {_shape(spec.grid.shape)}"
        + "".join(f", {key} {value}" for key, value in spec.solver.options.items()),
        "verified by": ", ".join(f"`{case}`" for case in spec.validation),
        "version, digest": f"{spec.version}, `{spec.digest}`",
        "licence of the data": spec.licence,
    }


def readme(spec: DatasetSpec) -> str:
    """Markdown: what the set is, its numbers, how to make it, where it comes from."""
    rows = "\n".join(f"| {key} | {value} |" for key, value in facts(spec).items())
    return (
        f"# {spec.title}\n\n{spec.description.strip()}\n\n![Member 0]({PICTURE})\n\n"
        f"| | |\n|---|---|\n{rows}\n\n"
        "Make it, on one core or under `mpiexec`:\n\n"
        f"```\npdebench generate {spec.name} --out {spec.name}.zarr\n```\n\n"
        f"Source: {spec.source.strip()}\n\n"
        f"Written from `card.yaml` by `pdebench describe {spec.name} --write`.\n"
    )


def _named(fields: tuple[Field, ...]) -> str:
    return ", ".join(f"`{field.name}` ({field.long_name})" for field in fields)


def _on_mesh(spec: DatasetSpec) -> str:
    every = spec.store.mesh
    which = "every frame" if every == 1 else f"one frame in {every}"
    return f"; {which} also at the nodes of the solver's mesh (`meshes/`)" if every else ""


def _order(spec: DatasetSpec) -> str:
    return "" if spec.samples.order == "drawn" else f", each solved in {spec.samples.order} order"


def _shape(numbers: tuple[float, ...]) -> str:
    return " × ".join(f"{n:.6g}" for n in numbers)


def _law(law: Distribution) -> str:
    if law.value is not None:
        return f"{law.value:g}"
    if law.choice is not None:
        return "one of " + ", ".join(f"{value:g}" for value in law.choice)
    low, high = law.bounds
    return f"{'log-uniform' if law.log_uniform else 'uniform'} in {low:g} … {high:g}"


def _runs(spec: DatasetSpec, split: str) -> str:
    """The members of a split."""
    return " and ".join(f"{low} … {high - 1}" for low, high in spec.runs(split))


def _cases(group: Cases) -> str:
    """What a group of cases varies, and how many there are."""
    ranges = [
        f"{name} {min(values):g} … {max(values):g} ({len(values)} values)" for name, values in group.values.items()
    ]
    return f"{len(group.rows)}, " + (" or " if group.each else " × ").join(ranges)
