// The next coarser flux form along one axis, in C order: what `coarsened` of solvers/krylov/multigrid.py computes.
#pragma once

#include "grid.hpp"

namespace lanes::multigrid::LANES_ISA {

// A flux form in the cycle's precision. Strides are those of C order with the sizes given.
template <class S> struct Natural {
    int dim;
    int size[3];
    bool wraps[3];
    S* faces[3];
    S* shift;

    size_t count() const { return size_t(size[0]) * size[1] * size[2]; }
    size_t face_count(int axis) const { return count() / size[axis] * (size[axis] + 1); }
};

template <class S> struct Lines {  // an array as (outer, n, inner)
    size_t outer = 1, n = 1, inner = 1;
    Lines(const Natural<S>& form, int axis, int longer) {
        for (int a = 0; a < 3; ++a) {
            const size_t length = form.size[a] + (a == longer);
            if (a < axis) outer *= length;
            if (a == axis) n = length;
            if (a > axis) inner *= length;
        }
    }
};

template <class S> LANES_INLINE S series(S a, S b) { return a + b > 0 ? a * b / (a + b) : S(0); }

// Sums over pairs along an axis; with shares, values go to both pairs (the transpose of interpolation).
template <class S> void summed(Lines<S> lines, const S* from, S* to) {
    const size_t pairs = (lines.n + 1) / 2, m = lines.inner;
    for (size_t o = 0; o < lines.outer; ++o) {
        for (size_t p = 0; p < pairs; ++p) {
            const S* a = from + (o * lines.n + 2 * p) * m;
            S* out = to + (o * pairs + p) * m;
            if (2 * p + 1 < lines.n) {
                for (size_t k = 0; k < m; ++k) out[k] = a[k] + a[k + m];
            } else {
                for (size_t k = 0; k < m; ++k) out[k] = a[k];
            }
        }
    }
}

template <class S> void shared(Lines<S> lines, bool wraps, const S* own, const S* from, S* to) {
    const size_t n = lines.n, pairs = (n + 1) / 2, m = lines.inner;
    for (size_t o = 0; o < lines.outer; ++o) {
        const S *w = own + o * n * m, *f = from + o * n * m;
        for (size_t p = 0; p < pairs; ++p) {
            S* __restrict out = to + (o * pairs + p) * m;
            const size_t even = 2 * p * m;
            for (size_t k = 0; k < m; ++k) out[k] = w[even + k] * f[even + k];
            const auto add = [&](size_t i, bool mine) {
                const S *wi = w + i * m, *fi = f + i * m;
                if (mine) {
                    for (size_t k = 0; k < m; ++k) out[k] += wi[k] * fi[k];
                } else {
                    for (size_t k = 0; k < m; ++k) out[k] += (1 - wi[k]) * fi[k];
                }
            };
            if (2 * p + 1 < n) add(2 * p + 1, true);
            if (p > 0) add(2 * p - 1, false);
            if (p == 0 && wraps && n % 2 == 0) add(n - 1, false);
            if (2 * p + 2 < n) add(2 * p + 2, false);
            if (p == pairs - 1 && wraps) add(0, false);
        }
    }
}

// Shares of the own pair, and the faces between pairs.
template <class S> void paths(Lines<S> lines, bool wraps, const S* faces, S* own, S* coarse) {
    const size_t n = lines.n, pairs = (n + 1) / 2, m = lines.inner, single = n % 2 ? pairs - 1 : pairs;
    for (size_t o = 0; o < lines.outer; ++o) {
        const S* f = faces + o * (n + 1) * m;
        S *w = own + o * n * m, *c = coarse + o * (pairs + 1) * m;
        // From unknown i, over `face`, on to the centre of the pair behind it (`none`: a wall, or a pair of one).
        const auto one = [&](size_t i, size_t face, size_t behind, bool none, S* __restrict out) {
            const S *fi = f + face * m, *fb = f + (none ? 0 : 2 * behind + 1) * m;
            const S* near = f + (i / 2 * 2 + 1) * m;
            S* __restrict wi = w + i * m;
            const bool there = i / 2 == single;
            for (size_t k = 0; k < m; ++k) {
                const S far = none ? fi[k] : series(fi[k], 2 * fb[k]), half = 2 * near[k], total = half + far;
                wi[k] = there || !(total > 0) ? S(1) : half / total;
                if (out) out[k] = there ? far : series(far, half);
            }
        };
        for (size_t p = 0; p < pairs; ++p) {
            const size_t before = p > 0 ? p - 1 : pairs - 1, after = p + 1 < pairs ? p + 1 : 0;
            const bool wall_before = p == 0 && !wraps, wall_after = p + 1 == pairs && !wraps;
            one(2 * p, 2 * p, before, wall_before || before == single, c + p * m);
            if (2 * p + 1 < n) {
                one(2 * p + 1, 2 * p + 2, after, wall_after || after == single, p + 1 == pairs ? c + pairs * m : nullptr);
            } else if (!wraps) {
                for (size_t k = 0; k < m; ++k) c[pairs * m + k] = f[n * m + k];
            }
        }
        if (wraps) {
            for (size_t k = 0; k < m; ++k) c[pairs * m + k] = c[k];
        }
    }
}

// Shares at the faces of another axis (means of those at their two ends), and the energy of the ends' difference, half
// of it for each end, added up over an unknown's two faces.
template <class S> void crossed(Lines<S> lines, bool wraps, const S* own, const S* faces, S* share, S* energy) {
    const size_t n = lines.n, m = lines.inner;
    for (size_t o = 0; o < lines.outer; ++o) {
        const S *w = own + o * n * m, *f = faces + o * (n + 1) * m;
        S *s = share + o * (n + 1) * m, *__restrict e = energy + o * n * m;
        for (size_t i = 0; i <= n; ++i) {
            const S* above = w + (i < n ? i : wraps ? 0 : n - 1) * m;
            const S* below = w + (i > 0 ? i - 1 : wraps ? n - 1 : 0) * m;
            for (size_t k = 0; k < m; ++k) s[i * m + k] = (above[k] + below[k]) / 2;
        }
        for (size_t i = 0; i < n; ++i) {
            const S* here = w + i * m;
            const S* above = w + (i + 1 < n ? i + 1 : wraps ? 0 : i) * m;
            const S* below = w + (i > 0 ? i - 1 : wraps ? n - 1 : 0) * m;
            for (size_t k = 0; k < m; ++k) {
                const S up = above[k] - here[k], down = here[k] - below[k];
                e[i * m + k] = (f[i * m + k] * down * down + f[(i + 1) * m + k] * up * up) / 2;
            }
        }
    }
}

// Those energies, added to the faces towards the pair on the unknown's other side.
template <class S> void stiffen(Lines<S> lines, bool wraps, const S* energy, S* coarse) {
    const size_t n = lines.n, pairs = (n + 1) / 2, m = lines.inner;
    for (size_t o = 0; o < lines.outer; ++o) {
        const S* e = energy + o * n * m;
        S* c = coarse + o * (pairs + 1) * m;
        for (size_t i = 0; i < n; ++i) {
            size_t face = (i + 1) / 2;
            if (wraps && face == pairs) face = 0;
            S* __restrict target = c + face * m;
            for (size_t k = 0; k < m; ++k) target[k] += e[i * m + k];
        }
        if (wraps) {
            for (size_t k = 0; k < m; ++k) c[pairs * m + k] = c[k];
        }
    }
}

// `own`: shares, C order of the fine unknowns. Scratch: as many values as the fine form has faces along any axis, twice.
template <class S> void coarsen(const Natural<S>& fine, int axis, Natural<S>& coarse, S* own, S* scratch) {
    const bool wraps = fine.wraps[axis];
    const Lines<S> lines(fine, axis, -1);
    paths(lines, wraps, fine.faces[axis], own, coarse.faces[axis]);
    for (int other = 3 - fine.dim; other < 3; ++other) {
        if (other == axis) continue;
        S *share = scratch, *energy = scratch + fine.face_count(other);
        crossed(Lines<S>(fine, other, -1), fine.wraps[other], own, fine.faces[other], share, energy);
        shared(Lines<S>(fine, axis, other), wraps, share, fine.faces[other], coarse.faces[other]);
        stiffen(lines, wraps, energy, coarse.faces[axis]);
    }
    summed(lines, fine.shift, coarse.shift);
}

}  // namespace lanes::multigrid::LANES_ISA
