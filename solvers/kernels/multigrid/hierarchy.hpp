// The levels of one matrix, and the V-cycle: `Hierarchy` of solvers/krylov/multigrid.py.
#pragma once

#include "coarsen.hpp"
#include "smoother.hpp"
#include "transfer.hpp"

namespace lanes::multigrid::LANES_ISA {

constexpr int most_levels = 64, smallest = 32;  // unknowns of the level that is solved directly
constexpr double weak = 0.3;                    // see WEAK in multigrid.py

template <class S> struct Level {
    Operator<S> a;
    S *x, *rhs, *rest;
    Transfer<S> transfers[3];
    int transfer_count;
};

template <class S> struct Hierarchy {
    Level<S> levels[most_levels];
    int depth;  // levels above the coarsest
    Grid coarsest;
    S *coarse_rhs, *coarse_x;
    S *inverse, *dense_rhs, *dense_x;
    double scale;  // of the faces; the cycle's result is divided by it
};

template <class S> S* plain(size_t count, Memory memory) {
    return static_cast<S*>(memory.take(memory.owner, (count + 16) * sizeof(S), 0));
}

template <class S> Natural<S> next_form(const Natural<S>& fine, int axis, Memory memory) {
    Natural<S> coarse = fine;
    coarse.size[axis] = (fine.size[axis] + 1) / 2;
    for (int a = 3 - fine.dim; a < 3; ++a) coarse.faces[a] = plain<S>(coarse.face_count(a), memory);
    coarse.shift = plain<S>(coarse.count(), memory);
    return coarse;
}

template <class S> Grid grid_of(const Natural<S>& form) { return Grid(form.dim, form.size, form.wraps); }

// Which axes to coarsen: strong_axes in multigrid.py.
template <class S> int strong_axes(const Natural<S>& form, int* axes) {
    double means[3], largest = 0;
    for (int a = 3 - form.dim; a < 3; ++a) {
        const size_t count = form.face_count(a);
        double sums[8] = {};
        for (size_t i = 0; i < count; ++i) sums[i % 8] += double(form.faces[a][i]);
        means[a] = (((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))) / count;
        if (form.size[a] > 2 && means[a] > largest) largest = means[a];
    }
    int found = 0;
    for (int a = 3 - form.dim; a < 3; ++a) {
        if (form.size[a] > 2 && means[a] >= weak * largest) axes[found++] = a;
    }
    return found;
}

template <class S> void diagonal_inverse(const Natural<S>& form, S* out) {
    const size_t n = form.count();
    for (size_t i = 0; i < n; ++i) out[i] = form.shift[i];
    for (int a = 3 - form.dim; a < 3; ++a) {
        const Lines<S> lines(form, a, -1);
        const size_t block = lines.n * lines.inner;
        for (size_t o = 0; o < lines.outer; ++o) {
            const S* f = form.faces[a] + o * (block + lines.inner);
            S* __restrict to = out + o * block;
            for (size_t i = 0; i < block; ++i) to[i] += f[i] + f[i + lines.inner];
        }
    }
    for (size_t i = 0; i < n; ++i) out[i] = 1 / out[i];
}

// The inverse of a small symmetric positive definite matrix, by Gauss–Jordan without pivots; in place.
inline void invert(double* a, int n) {
    for (int p = 0; p < n; ++p) {
        const double pivot = 1 / a[p * n + p];
        a[p * n + p] = 1;
        for (int j = 0; j < n; ++j) a[p * n + j] *= pivot;
        for (int i = 0; i < n; ++i) {
            if (i == p) continue;
            const double factor = a[i * n + p];
            a[i * n + p] = 0;
            for (int j = 0; j < n; ++j) a[i * n + j] -= factor * a[p * n + j];
        }
    }
}

template <class S> void dense_inverse(const Natural<S>& form, bool singular, double* a, S* out) {
    const int n = int(form.count());
    for (int i = 0; i < n * n; ++i) a[i] = 0;
    for (int i = 0; i < n; ++i) a[i * n + i] = double(form.shift[i]);
    for (int axis = 3 - form.dim; axis < 3; ++axis) {
        const Lines<S> lines(form, axis, -1);
        const int length = int(lines.n), m = int(lines.inner);
        for (int o = 0; o < int(lines.outer); ++o) {
            for (int k = 0; k < m; ++k) {
                for (int i = 0; i <= length; ++i) {
                    const double f = double(form.faces[axis][(o * (length + 1) + i) * m + k]);
                    const bool wraps = form.wraps[axis];
                    const int base = o * length * m + k;
                    const int above = i < length ? base + i * m : -1;
                    const int below = i > 0 ? base + (i - 1) * m : wraps ? base + (length - 1) * m : -1;
                    if (wraps && i == length) continue;  // the same face as the first
                    if (above >= 0) a[above * n + above] += f;
                    if (below >= 0) a[below * n + below] += f;
                    if (above >= 0 && below >= 0) a[above * n + below] -= f, a[below * n + above] -= f;
                }
            }
        }
    }
    if (singular) {
        double trace = 0;
        for (int i = 0; i < n; ++i) trace += a[i * n + i];
        for (int i = 0; i < n * n; ++i) a[i] += trace / n / n;
    }
    invert(a, n);
    for (int i = 0; i < n * n; ++i) out[i] = S(a[i]);
}

// Beside the last even value of a row, the first: down_x looks there.
template <class S> void wrap_shares(const Grid& grid, S* own) {
    refresh(grid, own);
    if (!grid.wraps[2]) return;
    each_row<S>(grid, [&](size_t start, int) { own[start + grid.evens()] = own[start]; });
}

template <class S> void build(Hierarchy<S>& h, Natural<S> form, bool singular, Memory memory) {
    size_t longest = 0;
    for (int a = 3 - form.dim; a < 3; ++a) longest = form.face_count(a) > longest ? form.face_count(a) : longest;
    S* scratch = plain<S>(longest + form.count(), memory);
    S* own = plain<S>(form.count(), memory);
    S* line = plain<S>(form.size[2] + 2, memory);
    h.depth = 0;
    int axes[3];
    while (form.count() > size_t(smallest)) {
        const int found = strong_axes(form, axes);
        if (!found || h.depth == most_levels) break;
        Level<S>& level = h.levels[h.depth++];
        const Grid grid = grid_of(form);
        level.a.grid = grid;
        for (int a = 0; a < 3; ++a) {
            level.a.faces[a] = nullptr;
            if (a < 3 - form.dim) continue;
            S* faces = new_array<S>(grid, memory, faces_of);
            pack(grid, form.faces[a], faces, a);
            level.a.faces[a] = faces;
        }
        S* inverse = new_array<S>(grid, memory, right_side);
        diagonal_inverse(form, scratch);
        pack(grid, scratch, inverse);
        level.a.inverse = inverse;
        level.x = new_array<S>(grid, memory, solution);
        level.rhs = new_array<S>(grid, memory, right_side);
        level.rest = new_array<S>(grid, memory, right_side);
        level.transfer_count = found;
        for (int i = 0; i < found; ++i) {
            Transfer<S>& t = level.transfers[i];
            Natural<S> coarse = next_form(form, axes[i], memory);
            coarsen(form, axes[i], coarse, own, scratch);
            t.axis = axes[i];
            t.fine = grid_of(form);
            t.coarse = grid_of(coarse);
            S* split_own = new_array<S>(t.fine, memory, shares);
            pack(t.fine, own, split_own);
            wrap_shares(t.fine, split_own);
            t.own = split_own;
            t.values = i ? new_array<S>(t.fine, memory, right_side) : nullptr;
            t.line = line;
            form = coarse;
        }
    }
    h.coarsest = grid_of(form);
    h.coarse_rhs = new_array<S>(h.coarsest, memory, right_side);
    h.coarse_x = new_array<S>(h.coarsest, memory, solution);
    const size_t n = form.count();
    h.inverse = plain<S>(n * n, memory);
    h.dense_rhs = plain<S>(n, memory);
    h.dense_x = plain<S>(n, memory);
    dense_inverse(form, singular, plain<double>(n * n, memory), h.inverse);
}

template <int DIM, class S> void cycle(Hierarchy<S>& h, int depth) {
    if (depth == h.depth) {
        const int n = h.coarsest.count();
        unpack(h.coarsest, h.coarse_rhs, h.dense_rhs);
        for (int i = 0; i < n; ++i) h.dense_x[i] = 0;
        for (int j = 0; j < n; ++j) {
            const S r = h.dense_rhs[j];
            for (int i = 0; i < n; ++i) h.dense_x[i] += h.inverse[size_t(j) * n + i] * r;
        }
        pack(h.coarsest, h.dense_x, h.coarse_x);
        return;
    }
    Level<S>& level = h.levels[depth];
    const Grid& grid = level.a.grid;
    relax_from_zero(level.a, level.rhs, level.x, 0);
    refresh(grid, level.x);
    relax<DIM>(level.a, level.rhs, level.x, 1);
    refresh(grid, level.x);
    if (grid.seam()) {
        residual<DIM>(level.a, level.rhs, level.x, level.rest, 0);
        residual<DIM>(level.a, level.rhs, level.x, level.rest, 1);
    } else {
        residual_of_red<DIM>(level.a, level.x, level.rest);
    }
    const int count = level.transfer_count;
    const bool last = depth + 1 == h.depth;
    S* coarse_rhs = last ? h.coarse_rhs : h.levels[depth + 1].rhs;
    S* coarse_x = last ? h.coarse_x : h.levels[depth + 1].x;
    S* in = level.rest;
    for (int i = 0; i < count; ++i) {
        S* out = i + 1 < count ? level.transfers[i + 1].values : coarse_rhs;
        down(level.transfers[i], in, out);
        in = out;
    }
    cycle<DIM>(h, depth + 1);
    in = coarse_x;
    for (int i = count - 1; i >= 0; --i) {
        S* out = i ? level.transfers[i].values : level.x;
        up(level.transfers[i], in, out, i == 0);
        in = out;
    }
    refresh(grid, level.x);
    relax<DIM>(level.a, level.rhs, level.x, 1);
    refresh(grid, level.x);
    relax<DIM>(level.a, level.rhs, level.x, 0);
}

}  // namespace lanes::multigrid::LANES_ISA
