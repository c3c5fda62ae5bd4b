"""Waves that leave the box: the Helmholtz equation with absorbing walls, as a real system of twice the size."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field as Limits
from scipy import sparse

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.problem import Field, Parameter, Params
from pdebench.solvers.krylov import System
from pdebench.solvers.krylov.discretise import Mean, cell_centred
from pdebench.spec import Card, Count, Grid, Positive

from .discretise import Discrete
from .functions import gaussian_bumps


class AbsorbingHelmholtz(Card):
    """−Δu − ω² m(x) u = s(x), ∂u/∂n = iω√m u on the walls: sound from one source in a medium without echoes.

    u is complex; its parts are two fields. s is a Gaussian of `source_width` at a random place of the inner half.
    The wall's condition is that of first order (Engquist & Majda 1977, Math. Comp. 31, 629): exact for waves that
    meet it head-on. It rules resonances out.
    """

    count: Count = 8
    width: tuple[Positive, Positive] = (0.05, 0.15)
    contrast: Annotated[float, Limits(ge=0)] = 0.3
    source_width: Positive = 0.05

    fields: ClassVar[tuple[Field, ...]] = (
        Field("real", "1", "in-phase part of the amplitude"),
        Field("imaginary", "1", "quadrature part of the amplitude"),
    )
    inputs: ClassVar[tuple[Field, ...]] = (
        Field("medium", "1", "squared slowness m"),
        Field("source", "m-2", "source s"),
    )
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("wave_number", "m-1", "wave number ω where m = 1", minimum=0.0),
    )
    steady: ClassVar[bool] = True

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        bumps = gaussian_bumps(grid, rng, count=self.count, width=self.width, signed=True)
        centre = [length * rng.uniform(0.25, 0.75) for length in grid.lengths]
        square = sum((x - c) ** 2 for x, c in zip(grid.coordinates(), centre, strict=True))
        sigma = self.source_width * min(grid.lengths)
        return np.stack([1 + self.contrast * bumps, np.exp(-square / (2 * sigma**2))])

    def assembled(self, grid: Grid, inputs: Array, params: Params, mean: Mean) -> Discrete:
        """[K  −B; B  K] (uᵣ, uᵢ) = (s, 0), of the complex K + iB; the two of a point side by side.

        So an incomplete factorisation keeps them together: with all uᵣ before all uᵢ it fails.
        """
        if grid.points != "centres":
            raise SolverError(f"absorbing walls are written for a grid of centres, not of {grid.points}")
        medium, source = inputs
        kappa = params["wave_number"] * np.sqrt(medium)
        wall = _wall(grid, kappa)
        sides = [("neumann", "neumann")] * len(grid.shape)
        form = cell_centred(np.ones(grid.shape), grid.spacing, sides, shift=wall.real - kappa**2)  # type: ignore[arg-type]  # a list of literals
        k, b = form.matrix(), sparse.diags(wall.imag.ravel())
        matrix = sparse.bmat([[k, -b], [b, k]], format="csr")
        paired = np.arange(2 * source.size).reshape(2, -1).T.ravel()
        matrix = matrix[paired][:, paired]
        matrix.sort_indices()
        rhs = np.concatenate([source.ravel(), np.zeros(source.size)])[paired]
        return Discrete(System(matrix, rhs), grid, fields=2)

    def unsound(self, inputs: Array) -> str:
        if not np.isfinite(inputs).all():
            return "the medium or the source holds NaN or infinity"
        return "" if inputs[0].min() > 0 else f"the medium falls to {inputs[0].min():.3g}; it must be positive"


def _wall(grid: Grid, kappa: Array) -> Array:
    """What the walls add to the diagonal, complex: the flux −iκ u_w / h, u_w the value on the wall half a cell away.

    From (u_w − u)/(h/2) = iκ u_w: u_w = u / (1 − iκh/2).
    """
    out = np.zeros(grid.shape, complex)
    for axis, h in enumerate(grid.spacing):
        for at in (0, -1):
            side = np.moveaxis(out, axis, 0)
            own = np.moveaxis(kappa, axis, 0)[at]
            side[at] += -1j * own / h / (1 - 0.5j * own * h)
    return out
