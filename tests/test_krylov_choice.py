"""The choice by trials, with a clock that only the methods move: nothing here depends on real time."""

from __future__ import annotations

import json
from functools import partial
from itertools import count

import numpy as np
import pytest
from flux_forms import darcy_form, system_of
from linear_systems import convection_diffusion, darcy, helmholtz
from scipy import sparse

from pdebench.errors import SolverError
from pdebench.solvers.krylov import SolverSequence, System, methods
from pdebench.solvers.krylov.candidates import Candidate, dimension, elimination, usual
from pdebench.solvers.krylov.choice import choose, share
from pdebench.solvers.krylov.discretise import cell_centred
from pdebench.solvers.krylov.method import Answer
from pdebench.solvers.krylov.petsc import missing
from pdebench.solvers.krylov.trial import PROBE, Trial

MS = 1e-3


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Scripted:
    """Solves diagonal systems exactly; iterations, their cost and that of set-up [ms] are given."""

    def __init__(self, clock, log, given, *, direct=False, recycles=0.0, trouble=""):
        name, setup, cost, iterations = given
        self.name, self.direct, self.limit = name, direct, 10_000
        self._clock, self._log, self._setup, self._cost = clock, log, setup, cost
        self._iterations, self._recycles, self._trouble, self._done = iterations, recycles, trouble, 0

    def eligible(self, system):
        return "not for this one" if self._trouble == "ineligible" else ""

    def prepare(self, system):
        self._log.append((self.name, "prepare", 0))
        self._clock.now += self._setup * MS
        if self._trouble == "set-up":
            raise SolverError("cannot be set up")

    def solve(self, system, guess, rtol):
        needed = self._iterations if self._done == 0 or not self._recycles else round(self._iterations * self._recycles)
        done = min(needed, self.limit)
        self._clock.now += done * self._cost * MS
        self._log.append((self.name, "solve", done))
        if self._trouble == "breakdown":
            return Answer(np.zeros_like(system.rhs), 3, reason="breakdown")
        if self._trouble == "raises":
            raise ZeroDivisionError("division by zero")
        if done < needed:
            reached = 1e-8 ** (done / needed)  # the residual falls evenly
            return Answer((1 - reached) * system.rhs / system.diagonal, done, reason="no convergence")
        self._done += 1
        return Answer(system.rhs / system.diagonal, done)


def _made(clock, log, given, options):
    return Scripted(clock, log, given, **options)


def systems(count=8, *, same=False, rhs=None):
    rng = np.random.default_rng(0)
    for i in range(count):
        matrix = sparse.diags([np.full(12, 2.0 if same else 2.0 + i)], [0], format="csr")
        yield System(matrix, rng.standard_normal(12) if rhs is None else rhs)


@pytest.fixture
def contest(monkeypatch):
    """`run(scripts, …)`: name -> (set-up, cost per iteration, iterations, options, how it is tried)."""

    def run(scripts, *, same=False, rhs=None, length=100):
        clock, log, found = Clock(), [], []
        for name, (setup, cost, iterations, options, how) in scripts.items():
            given = (name, setup, cost, iterations)
            make = partial(_made, clock, log, given, options)
            monkeypatch.setitem(methods._table, name, make)
            found.append(Candidate(name, {}, **how))
        choice = choose(list(systems(same=same, rhs=rhs)), rtol=1e-8, length=length, candidates=found, clock=clock)
        json.dumps(choice.evidence)
        return choice, log, {row["method"]: row for row in choice.evidence["methods"]}

    return run


def solved(log, name):
    return [count for who, what, count in log if (who, what) == (name, "solve")]


RECYCLED = {"patience": 3.0, "least": 5}
DIRECT = {"patience": 2.5, "least": 2}


def test_the_fastest_is_chosen_whatever_the_order(contest):
    scripts = {"a": (1, 0.1, 50, {}, {}), "b": (1, 0.1, 20, {}, {}), "c": (5, 0.1, 20, {}, {})}
    for names in ("abc", "cba", "bca"):
        choice, _, rows = contest({name: scripts[name] for name in names})
        assert choice.method == "b"
        assert rows["b"]["predicted_seconds"] == pytest.approx(100 * 3 * MS)
        assert rows["b"]["setup_seconds"] == pytest.approx(1 * MS)
        assert rows["b"]["solve_seconds"] == pytest.approx(2 * MS)
        assert set(rows["b"]["iterations"]) == {20}


def test_a_slow_rival_is_stopped_after_as_many_iterations_as_the_best_would_pay_for(contest):
    """Best: 1 + 20 × 0.1 = 3 ms, times 1.3 less 1 ms of set-up leaves 29 iterations of 0.1 ms."""
    _, log, rows = contest({"good": (1, 0.1, 20, {}, {}), "bad": (1, 0.1, 100, {}, {})})
    assert solved(log, "bad") == [PROBE, 29]
    assert "29 iterations" in rows["bad"]["dropped"]
    _, log, rows = contest({"good": (1, 0.1, 20, {}, {}), "gmres": (1, 0.1, 5000, {}, {})})
    assert solved(log, "gmres") == [PROBE]  # 10 of 5000: nobody waits for the 29
    assert "5e+03 are in sight" in rows["gmres"]["dropped"]


def test_a_residual_that_may_rise_at_first_promises_nothing(contest):
    """Conjugate gradients gain late: they get all the iterations that are paid for."""
    _, log, rows = contest({"good": (1, 0.1, 20, {}, {}), "late": (1, 0.1, 5000, {}, {})})
    assert solved(log, "late")[-1] > PROBE
    assert "do not suffice" in rows["late"]["dropped"]
    _, log, rows = contest({"good": (1, 0.1, 20, {}, {}), "worse": (1, 1.0, 5000, {}, {})})
    assert solved(log, "worse") == [PROBE]


def test_a_rival_is_not_solved_with_when_its_set_up_alone_is_too_dear(contest):
    _, log, rows = contest({"good": (1, 0.1, 20, {}, {}), "dear": (4, 0.1, 1, {}, {})})
    assert solved(log, "dear") == []
    assert "set-up" in rows["dear"]["dropped"]


def test_trials_cost_no_more_than_their_share_and_one_trial(contest):
    for length, most in ((10, 1.5), (100, 10.0), (1000, 1000**0.5)):
        assert share(length) == pytest.approx(most)
        scripts = {"good": (1, 0.1, 20, {}, {})} | {f"rival {i}": (1, 0.1, 22, {}, {}) for i in range(60)}
        choice, _, rows = contest(scripts, length=length)
        assert choice.method == "good"
        assert choice.evidence["trial_seconds"] <= (most + 1.5) * 3 * MS
        assert any("does not suffice for it" in row["dropped"] for row in rows.values())


def test_a_recycled_method_is_not_dropped_for_its_first_system(contest):
    """Three times slower at first, but twice as fast ever after."""
    choice, _, rows = contest(
        {"plain": (0, 0.1, 40, {}, {}), "recycled": (0, 0.1, 100, {"recycles": 0.2}, RECYCLED)}, length=1000
    )
    assert choice.method == "recycled"
    assert rows["recycled"]["iterations"][:5] == [100, 20, 20, 20, 20]
    assert rows["recycled"]["predicted_seconds"] == pytest.approx((10 + 999 * 2) * MS)
    choice, _, _ = contest({"plain": (0, 0.1, 40, {}, {}), "recycled": (0, 0.1, 100, {"recycles": 0.2}, {})})
    assert choice.method == "plain"  # as an ordinary one it would have been


def test_a_recycled_method_that_does_not_pay_is_not_chosen(contest):
    choice, *_ = contest({"plain": (0, 0.1, 40, {}, {}), "recycled": (0, 0.1, 45, {"recycles": 1.0}, RECYCLED)})
    assert choice.method == "plain"


def test_where_the_matrix_stays_a_factorisation_is_made_once(contest):
    scripts = {"iterates": (1, 0.1, 20, {}, {}), "direct": (20, 0.5, 1, {"direct": True}, DIRECT)}
    choice, log, _ = contest(scripts, same=True)
    assert choice.method == "direct"
    assert log.count(("direct", "prepare", 0)) == 1
    choice, _, rows = contest(scripts)
    assert choice.method == "iterates"
    assert "set-up" in rows["direct"]["dropped"]
    choice, *_ = contest(scripts, same=True, length=5)  # too few to pay for it
    assert choice.method == "iterates"


@pytest.mark.parametrize(
    ("trouble", "said"),
    [("set-up", "cannot be set up"), ("breakdown", "breakdown"), ("raises", "division by zero")],
)
def test_a_method_that_fails_is_dropped_with_its_reason(contest, trouble, said):
    choice, _, rows = contest({"fails": (0, 0.01, 5, {"trouble": trouble}, {}), "works": (1, 0.1, 20, {}, {})})
    assert choice.method == "works"
    assert said in rows["fails"]["dropped"]


def test_a_method_that_is_not_eligible_is_never_tried(contest):
    choice, log, rows = contest({"no": (0, 0.01, 5, {"trouble": "ineligible"}, {}), "works": (1, 0.1, 20, {}, {})})
    assert choice.method == "works"
    assert rows["no"]["dropped"] == "not for this one"
    assert {who for who, *_ in log} == {"works"}


def test_nobody_who_works_is_an_error_with_all_reasons(contest):
    with pytest.raises(SolverError, match=r"\(a: .*cannot be set up.*; b: .*breakdown"):
        contest({"a": (0, 1, 1, {"trouble": "set-up"}, {}), "b": (0, 1, 1, {"trouble": "breakdown"}, {})})


def test_a_tie_goes_to_the_likelier_and_a_lead_does_not(contest):
    for iterations, winner in ((39, "first"), (36, "second")):
        choice, *_ = contest({"first": (0, 0.1, 40, {}, {}), "second": (0, 0.1, iterations, {}, {})})
        assert choice.method == winner


def test_a_factorisation_is_not_tried_when_its_estimate_is_hopeless(contest):
    slow = {"patience": 2.5, "least": 2, "factor": 1e9}
    _, log, rows = contest({"good": (0, 0.1, 20, {}, {}), "direct": (0, 0.1, 1, {"direct": True}, slow)})
    assert "estimated" in rows["direct"]["dropped"]
    assert solved(log, "direct") == []


def test_nothing_is_recycled_where_iterations_are_few(contest):
    for plain, tried in ((15, False), (30, True)):
        scripts = {"plain": (0, 0.1, plain, {}, {}), "space": (0, 0.1, plain, {"recycles": 0.5}, RECYCLED)}
        _, log, rows = contest(scripts)
        assert bool(solved(log, "space")) == tried
        assert ("too few to recycle for" in rows["space"]["dropped"]) == (not tried)


def test_what_costs_too_much_at_least_is_not_tried(contest):
    _, log, rows = contest({"good": (1, 0.1, 20, {}, {}), "dear": (0, 0.1, 1, {}, {"floor": (4e-3, 0.0)})})
    assert log[-1][0] == "good"
    assert rows["dear"]["dropped"] == "not tried: it takes 0.004 s at least"
    _, log, _ = contest({"good": (1, 0.1, 20, {}, {}), "dear": (0, 0.1, 1, {}, {"floor": (3.5e-3, 0.0)})})
    assert solved(log, "dear")


def test_nothing_is_spent_on_a_guess_where_systems_have_nothing_in_common(contest):
    near = np.linspace(1, 2, 12)
    _, log, _ = contest({"only": (1, 0.1, 20, {}, {})}, same=True)
    assert solved(log, "only").count(20) == 1
    _, log, _ = contest({"only": (1, 0.1, 20, {}, {})}, same=True, rhs=near)
    assert solved(log, "only").count(20) == 4


@pytest.mark.skipif(missing() != "", reason="no petsc4py")
def test_the_factors_of_the_trials_serve_the_sequence_once():
    first, other = darcy((20, 20), 2, drift=0.3)
    matrix = first.matrix
    found = [System(matrix, np.cos(np.arange(400.0) * i), symmetric=True, definite=True) for i in range(1, 4)]
    choice = choose(found, rtol=1e-8, length=100, candidates=[Candidate("direct-cholesky", {})])
    method, again = choice.build(), choice.build()
    assert (method.factorisations, again.factorisations) == (1, 0)
    x, _ = SolverSequence(method, rtol=1e-8).solve(found[0])
    y, _ = SolverSequence(again, rtol=1e-8).solve(found[0])
    assert method.factorisations == again.factorisations == 1
    np.testing.assert_array_equal(x, y)
    SolverSequence(method, rtol=1e-8).solve(other)
    assert method.factorisations == 2


def test_a_guess_is_taken_where_solutions_lie_near_each_other(contest):
    """Diagonal systems that are multiples of one another with one right-hand side: the guess is the solution."""
    scripts = {"slow": (0, 0.1, 40, {}, {})}
    choice, *_ = contest(scripts)  # random right-hand sides
    assert choice.guess == 0
    choice, *_ = contest(scripts, rhs=np.ones(12))
    assert choice.guess == 6
    assert choice.evidence["guess"]["saved"] == pytest.approx(1.0)
    choice, *_ = contest({"recycled": (0, 0.1, 100, {"recycles": 0.2}, RECYCLED)}, rhs=np.ones(12))
    assert choice.guess == 0  # whose space knows it


def test_dimensions_are_seen_without_a_grid():
    def chain(shape):
        matrix = sparse.csr_matrix((1, 1))
        for n in shape:
            matrix = sparse.kronsum(line(n), matrix, format="csr")
        return matrix

    def line(n):
        return sparse.diags([2.0, -1.0, -1.0], [0, 1, -1], shape=(n, n))

    for shape, low, high in (((400,), 0.8, 1.2), ((50, 50), 1.6, 2.2), ((25, 25, 25), 2.4, 3.0)):
        a = chain(shape)
        order = np.random.default_rng(0).permutation(a.shape[0])
        for matrix in (a, sparse.csr_matrix(a[order][:, order])):
            assert low < dimension(System(matrix, np.ones(a.shape[0]))) < high
    small, large = (elimination(System(chain((n, n)), np.ones(n * n)))[0] for n in (32, 64))
    assert 4 < large / small < 8  # between n and n^1.5


@pytest.mark.parametrize("kind", ["darcy", "convection-diffusion", "helmholtz"])
def test_what_is_chosen_for_real_systems_solves_them(kind):
    """Whatever it is: this one reads the real clock, and asks for nothing that depends on it."""
    given = list(
        darcy((20, 20), 4) if kind == "darcy"
        else convection_diffusion(20, 4) if kind == "convection-diffusion"
        else helmholtz(8, 4, first=2.3, last=2.33)
    )  # fmt: skip
    choice = choose(given, rtol=1e-8, length=50)
    method = choice.build()
    assert not method.eligible(given[0])
    assert choice.method in {one.name for one in usual(given[0])}
    method.prepare(given[0])
    assert given[0].relative_residual(method.solve(given[0], None, 1e-8).x) <= 1e-7
    tried = [row for row in choice.evidence["methods"] if not row["dropped"]]
    assert all({"setup_seconds", "solve_seconds", "iterations", "predicted_seconds"} <= row.keys() for row in tried)


def test_a_recycled_space_outlives_the_probe_for_its_cost():
    """Capped or not, five systems show what recycling saves: the probe of `PROBE` iterations is no failure."""
    systems = list(darcy((24, 24), 5, drift=0.02))
    counts = []
    for allowed in (np.inf, 1e9):
        trial = Trial(Candidate("gcrodr", {"pc": "diagonal"}), systems, rtol=1e-8, same=False, clock=Clock())
        trial.method._clock = count(1).__next__  # a cost that is not zero
        for _ in systems:
            trial.step(allowed=allowed)
        counts.append([solve.iterations for solve in trial.solves])
        assert all(solve.space for solve in trial.solves[1:])
    assert counts[0] == counts[1]


def test_prospects_follow_from_what_is_known_of_the_matrix():
    def first(system, **known):
        return usual(system, **known)[0].name

    varying = darcy_form((16, 16))
    flat = cell_centred(np.ones((16, 16)), (1 / 16, 1 / 16), [("dirichlet", "dirichlet")] * 2)
    assert first(system_of(varying)) == "multigrid-cg"
    assert first(system_of(varying), same=True) == "direct-cholesky"
    assert first(system_of(flat), same=True) == first(system_of(flat)) == "transform-cg"
    assert first(next(convection_diffusion(20, 1))) == "bicgstab"
    assert first(next(helmholtz(20, 1))) == "gcrodr"
