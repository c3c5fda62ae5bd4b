"""One member of the finite-element solver on 1, 2 and 3 ranks: the same flow to the tolerance of its linear systems."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from needs import needs_dolfinx
from ranks import told_by

pytestmark = pytest.mark.mpi
needs_dolfinx()
SCRIPT = Path(__file__).parent / "elements_shared.py"


@pytest.mark.timeout(900)
def test_ranks_share_the_systems_of_a_member() -> None:
    """Systems are solved to 1e-9 of an increment: after a few steps flows differ by less than 1e-7."""
    one, *more = (told_by(ranks, SCRIPT, timeout=280) for ranks in (1, 2, 3))
    for ranks, other in zip((2, 3), more, strict=True):
        assert other["share"] < 1.1 / ranks  # no rank holds more than its part of any system
        for name, found in one["results"].items():
            frame, again = np.array(found["frame"]), np.array(other["results"][name]["frame"])
            for field, same in zip(frame, again, strict=True):
                np.testing.assert_allclose(same, field, atol=1e-7 * np.abs(field).max(), rtol=0, err_msg=name)
            np.testing.assert_allclose(other["results"][name]["mesh"], found["mesh"], rtol=1e-7)
            assert other["results"][name]["steps"] == found["steps"]
