"""Which directions to keep: harmonic Ritz vectors of A over the space that a cycle has built."""

from __future__ import annotations

import numpy as np

from pdebench.arrays import Array


def harmonic(hessenberg: Array, weighted: Array, count: int) -> Array:
    """Coefficients of the `count` slowest harmonic Ritz vectors, `(c, ≤ count)`: no complex pair is cut.

    With A W = Q G (`hessenberg`, `(c + 1, c)`) and Qᵀ D W (`weighted`), D a weight near A: the largest |μ| of
    (A W)ᵀ D W z = μ (A W)ᵀ A W z, that is, the vectors that D⁻¹A shrinks most. D = diag(A) makes this free of the
    preconditioners of earlier systems. Parks, de Sturler, Mackey, Johnson & Maiti (2006), SIAM J. Sci. Comput. 28,
    1651, eq. (2.5), and Carvalho, Gratton, Lago & Vasseur (2011) for the flexible variant.
    """
    scale = np.linalg.norm(hessenberg, axis=0)
    scale[scale == 0] = 1
    q, r = np.linalg.qr(hessenberg / scale)
    sound = np.abs(np.diag(r)) > 1e-13 * np.abs(r).max()
    if not sound.all():
        return np.zeros((len(scale), 0))
    try:
        values, vectors = np.linalg.eig(np.linalg.solve(r, q.T @ (weighted / scale)))
    except np.linalg.LinAlgError:  # not finite, or no convergence
        return np.zeros((len(scale), 0))
    order = np.argsort(-np.abs(values), kind="stable")
    columns: list[Array] = []
    done: set[int] = set()
    for i in (int(i) for i in order):
        if i in done:
            continue
        if values[i].imag == 0:
            new = [vectors[:, i].real]
        else:
            partner = i + 1 if values[i].imag > 0 else i - 1  # LAPACK keeps conjugates side by side
            done.add(partner)
            new = [vectors[:, i].real, vectors[:, i].imag]
        if len(columns) + len(new) > count:
            break
        columns += new
    return np.asarray(np.array(columns).reshape(len(columns), len(scale)).T / scale[:, None])
