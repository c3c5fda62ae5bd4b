// Conjugate gradients in float64 around one V-cycle, on the split layout throughout.
#pragma once

#include "hierarchy.hpp"

namespace lanes::multigrid::LANES_ISA {

template <class S> struct Solver {
    Grid grid;
    const double* faces[3];
    const double* shift;  // null where nothing is shifted
    double *x, *b, *r, *p, *q, *z;
    bool singular;
    Hierarchy<S> hierarchy;
};

// Loads need no alignment; the same registers serve all.
typedef double Register __attribute__((vector_size(LANES_BYTES), aligned(8), may_alias));

// Counts are multiples of 8.
inline double dot(const double* a, const double* b, size_t count) {
    constexpr size_t lanes = LANES_BYTES / sizeof(double);
    Register sums[8 / lanes] = {};
    for (size_t i = 0; i < count; i += 8) {
        for (size_t k = 0; k < 8 / lanes; ++k) {
            sums[k] += *reinterpret_cast<const Register*>(a + i + k * lanes) *
                       *reinterpret_cast<const Register*>(b + i + k * lanes);
        }
    }
    double sum = 0;
    for (size_t k = 0; k < 8 / lanes; ++k) {
        for (size_t i = 0; i < lanes; ++i) sum += sums[k][i];
    }
    return sum;
}

// q = A p by differences of fluxes, and p · q.
template <int DIM, class S> double multiply(const Solver<S>& s, const double* p, double* q) {
    const Grid& grid = s.grid;
    const size_t row = grid.row, plane = grid.plane;
    double total = 0;
    each_row<double>(grid, [&](size_t start, int) {
        for (int parity = 0; parity < 2; ++parity) {
            const HalfRow<double> h = half_row(grid, s.faces[2], start, parity);
            const size_t at = h.offset;
            const double *v = p + at, *l = p + h.to_left, *r = p + h.to_right, *c = s.shift ? s.shift + at : nullptr;
            const double *fy = DIM >= 2 ? s.faces[1] + at : nullptr, *fz = DIM >= 3 ? s.faces[0] + at : nullptr;
            double* __restrict to = q + at;
            for (int i = 0; i < h.count; ++i) {
                double sum = h.left[i] * (v[i] - l[i]) + h.right[i] * (v[i] - r[i]);
                if (DIM >= 2) sum += fy[i] * (v[i] - (v - row)[i]) + (fy + row)[i] * (v[i] - (v + row)[i]);
                if (DIM >= 3) sum += fz[i] * (v[i] - (v - plane)[i]) + (fz + plane)[i] * (v[i] - (v + plane)[i]);
                to[i] = sum;
            }
            if (c) {
                for (int i = 0; i < h.count; ++i) to[i] += c[i] * v[i];
            }
        }
        total += dot(p + start, q + start, row);
    });
    return total;
}

// The true residual of s.x, in s.r; its square.
template <int DIM, class S> double true_residual(Solver<S>& s) {
    refresh(s.grid, s.x);
    multiply<DIM>(s, s.x, s.q);
    for (size_t i = 0; i < s.grid.total; ++i) s.r[i] = s.b[i] - s.q[i];
    return dot(s.r, s.r, s.grid.total);
}

template <class S> void without_mean(const Solver<S>& s, double* x) {
    double sum = 0;
    const auto each = [&](auto act) {
        each_row<double>(s.grid, [&](size_t start, int) {
            for (int i = 0; i < s.grid.evens(); ++i) act(x[start + i]);
            for (int i = 0; i < s.grid.odds(); ++i) act(x[start + s.grid.half + i]);
        });
    };
    each([&](double& value) { sum += value; });
    const double mean = sum / s.grid.count();
    each([&](double& value) { value -= mean; });
}

// The cycle's border: what goes in and comes out of it, in the layout of the fine grid.
template <class S> S* cycle_rhs(Hierarchy<S>& h) { return h.depth ? h.levels[0].rhs : h.coarse_rhs; }
template <class S> const S* cycle_x(const Hierarchy<S>& h) { return h.depth ? h.levels[0].x : h.coarse_x; }

inline double root(double a) { return __builtin_sqrt(a); }

// The sweeps of an iteration take a row at a time through all that it needs: memory is what they wait for.

// x += α p, r −= α q, and the cycle's right-hand side r · down; gives r · r.
template <class S> double step(Solver<S>& s, double alpha, double down) {
    S* rhs = cycle_rhs(s.hierarchy);
    const size_t row = s.grid.row;
    double square = 0;
    for (size_t start = 0; start < s.grid.total; start += row) {
        double *__restrict x = s.x + start, *__restrict r = s.r + start;
        const double *p = s.p + start, *q = s.q + start;
        S* __restrict to = rhs + start;
        for (size_t i = 0; i < row; ++i) {
            x[i] += alpha * p[i];
            r[i] -= alpha * q[i];
            to[i] = S(r[i] * down);
        }
        square += dot(r, r, row);
    }
    return square;
}

struct Products {
    double rz, zq;
};

// r · z and z · q, z = `up` times what the cycle gave; one row of z at a time lies in s.z.
template <class S> Products products(Solver<S>& s, double up) {
    const S* from = cycle_x(s.hierarchy);
    const size_t row = s.grid.row;
    Products sums = {0, 0};
    for (size_t start = 0; start < s.grid.total; start += row) {
        for (size_t i = 0; i < row; ++i) s.z[i] = double(from[start + i]) * up;
        sums.rz += dot(s.r + start, s.z, row);
        sums.zq += dot(s.q + start, s.z, row);
    }
    return sums;
}

template <class S> void turn(Solver<S>& s, double up, double beta) {
    const S* from = cycle_x(s.hierarchy);
    double* __restrict p = s.p;
    for (size_t i = 0; i < s.grid.total; ++i) p[i] = double(from[i]) * up + beta * p[i];
    refresh(s.grid, p);
}

// Conjugate gradients with the Polak–Ribière β, which bears a cycle rounded to float32 (Golub & Ye 1999). The cycle
// sees r divided by its size one step before, so that float32 need not hold small numbers.
template <int DIM, class S> bool iterate(Solver<S>& s, double square, double target, int limit, int& iterations) {
    for (size_t i = 0; i < s.grid.total; ++i) s.p[i] = s.q[i] = 0;
    double size = root(square), rz = 0, alpha = 0;
    step(s, 0.0, 1 / size);
    for (bool first = true; iterations < limit; first = false) {
        const double up = size / s.hierarchy.scale, old = rz;
        cycle<DIM>(s.hierarchy, 0);
        ++iterations;
        const Products made = products(s, up);
        rz = made.rz;
        if (!(rz > 0)) return false;
        turn(s, up, first ? 0 : -alpha * made.zq / old);
        const double pq = multiply<DIM>(s, s.p, s.q);
        if (!(pq > 0)) return false;
        alpha = rz / pq;
        size = root(square);
        square = step(s, alpha, 1 / size);
        if (!(square > target)) return true;
    }
    return true;
}

template <int DIM, class S>
Outcome solve(Solver<S>& s, const double* rhs, double* x, double tolerance, int limit) {
    pack(s.grid, rhs, s.b);
    pack(s.grid, x, s.x);
    if (s.singular) without_mean(s, s.b);
    const double size = dot(s.b, s.b, s.grid.total), target = tolerance * tolerance * size;
    Outcome out = {0, 0, false};
    double square = true_residual<DIM>(s), before = square * 5;
    // The recursion's residual may drift from the true one: begin again from there, while that helps.
    while (square > target && square < before / 4 && out.iterations < limit && !out.breakdown) {
        before = square;
        out.breakdown = !iterate<DIM>(s, square, 0.9 * target, limit, out.iterations);
        square = true_residual<DIM>(s);
    }
    out.residual = size > 0 ? root(square / size) : root(square);
    unpack(s.grid, s.x, x);
    return out;
}

template <int DIM, class S> void apply_cycle(Solver<S>& s, const double* rhs, double* x) {
    pack(s.grid, rhs, s.r);
    const double square = dot(s.r, s.r, s.grid.total), size = square > 0 ? root(square) : 1;
    S* to = cycle_rhs(s.hierarchy);
    for (size_t i = 0; i < s.grid.total; ++i) to[i] = S(s.r[i] / size);
    cycle<DIM>(s.hierarchy, 0);
    unpack(s.grid, cycle_x(s.hierarchy), x);
    for (int i = 0; i < s.grid.count(); ++i) x[i] *= size / s.hierarchy.scale;
}

}  // namespace lanes::multigrid::LANES_ISA
