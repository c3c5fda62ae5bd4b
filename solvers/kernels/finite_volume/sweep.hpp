// A line of cells for one step along one axis: MUSCL–Hancock. What the lanes are (samples, or neighbouring lines of one
// sample) is a matter of where the cells lie; the arithmetic, and so the bits, are the same.
#pragma once

#include <math.h>

#include "friction.hpp"
#include "lane_math.hpp"

namespace lanes::finite_volume::LANES_ISA {

// The steps left of an interval are equal, so that none of them is a sliver; moves the member's time.
inline double next_step(const Box& box, Member& member, double rate, bool& ends) {
    const double left = box.length - member.time, parts = fmax(ceil(left * rate / box.cfl), 1), step = left / parts;
    ends = parts == 1;
    member.time = ends ? box.length : member.time + step;
    return step;
}

// Of friction within a step: Δt g n².
inline double drag(const double* parameters, double step) { return step * parameters[0] * parameters[1] * parameters[1]; }

// Cells as vectors, the variables of a cell side by side.
template <class V, int N> struct Packed {
    V* first;
    long stride;  // from cell to cell, in vectors

    LANES_INLINE void load(long i, V* q) const {
        for (int v = 0; v < N; ++v) q[v] = first[i * stride + v];
    }
    LANES_INLINE void store(long i, const V* q) const {
        for (int v = 0; v < N; ++v) first[i * stride + v] = q[v];
    }
};

template <template <class, int> class Law, class T, int L, int D> struct Sweep {
    using V = Vector<T, L>;
    using System = Law<V, D>;
    using Mask = decltype(V{} > V{});
    static constexpr int N = System::variables, K = System::kept;

    const Box& box;
    const System law;
    Mask live{};          // lanes on their way; the others keep their state bit for bit
    V ratio[3];           // Δt/h
    T per_cell[3];        // 1/h
    V drag{};             // of a rough bed
    V rate{}, limited{};  // of this step
    Mask good{};

    Sweep(const Box& shared, V parameter) : box(shared), law(parameter, shared) {
        for (int axis = 0; axis < D; ++axis) per_cell[axis] = T(1 / shared.spacing[axis]);
    }

    void forget() {
        rate = V{};
        good = V{} == V{};
    }

    LANES_INLINE void measure_cell(const V* q, const V* w) {
        const V c = law.sound_in_cell(w);
        for (int axis = 0; axis < D; ++axis) {
            rate = greater(law.fastest(w, c, 1 + axis) * per_cell[axis], rate);
        }
        good = good & law.sound_state(q);
    }

    LANES_INLINE void measure(const V* q) {
        V w[K];
        law.primitive(q, w);
        measure_cell(q, w);
    }

    // The two cells beyond a side, nearest first, from the line as it was before the sweep.
    template <class Cells> void beyond(Cells cells, int axis, int high, V* ghosts) const {
        const Side side = box.sides[axis][high];
        const int n = box.cells[axis];
        for (int k = 0; k < 2; ++k) {
            int from = side == Side::outflow ? 0 : side == Side::periodic ? n - 1 - k : k;
            if (side == Side::inner) from = -1 - k;
            V q[N];
            cells.load(high ? n - 1 - from : from, q);
            V* w = ghosts + k * K;
            law.primitive(q, w);
            if constexpr (System::has_velocity) {
                if (side == Side::reflecting) w[1 + axis] = -w[1 + axis];
                if (side == Side::no_slip) {
                    for (int v = 1; v <= D; ++v) w[v] = -w[v];
                }
            }
        }
    }

    // Cell after cell: its edges half a step on, the flux through its low face, and then its low neighbour is done.
    template <class Cells> void line(Cells cells, int axis, bool measures) {
        const int n = box.cells[axis], normal = 1 + axis;
        const V own = ratio[axis];
        V below[2 * K], above[2 * K];
        beyond(cells, axis, 0, below);
        beyond(cells, axis, 1, above);
        V a[K], b[K], c[K], edge[N] = {}, flow[N] = {};
        for (int v = 0; v < K; ++v) {
            a[v] = below[K + v];
            b[v] = below[v];
        }
        for (int i = -1; i <= n; ++i) {
            if (i + 1 < n) {
                V q[N];
                cells.load(i + 1, q);
                law.primitive(q, c);
            } else {
                for (int v = 0; v < K; ++v) c[v] = above[(i + 1 - n) * K + v];
            }
            V half[N], moved[N], low[N], high[N];
            for (int v = 0; v < N; ++v) half[v] = half_slope(box.limiter, b[v] - a[v], c[v] - b[v]);
            law.quasilinear(b, half, normal, moved);
            for (int v = 0; v < N; ++v) {
                const V middle = fused(-own, moved[v], b[v]);
                low[v] = middle - half[v];
                high[v] = middle + half[v];
            }
            keep_positive(b, low, high, i >= 0 && i < n);
            if (i >= 0) {
                V f[N];
                law.flux(box.flux, edge, low, normal, f);
                if (i >= 1) update(cells, i - 1, f, flow, own, measures);
                for (int v = 0; v < N; ++v) flow[v] = f[v];
            }
            for (int v = 0; v < N; ++v) edge[v] = high[v];
            for (int v = 0; v < K; ++v) {
                a[v] = b[v];
                b[v] = c[v];
            }
        }
    }

    LANES_INLINE void keep_positive(const V* middle, V* low, V* high, bool counts) {
        Mask bad{};
        for (int i = 0; i < System::positives; ++i) {
            const int v = System::positive(i);
            bad = bad | (smaller(low[v], high[v]) < T(1e-6) * middle[v]);
        }
        for (int v = 0; v < N; ++v) {
            low[v] = bad ? middle[v] : low[v];
            high[v] = bad ? middle[v] : high[v];
        }
        if (counts) limited += bad ? all<V>(1) : V{};
    }

    template <class Cells>
    LANES_INLINE void update(Cells cells, long i, const V* out, const V* in, V own, bool measures) {
        V q[N];
        cells.load(i, q);
        V next[N];
        for (int v = 0; v < N; ++v) next[v] = fused(-own, out[v] - in[v], q[v]);
        if constexpr (System::rubs) {
            if (box.rough && measures) rub<D>(next, drag, law.dry);
        }
        for (int v = 0; v < N; ++v) q[v] = live ? next[v] : q[v];
        cells.store(i, q);
        if (measures) measure(q);
    }
};

}  // namespace lanes::finite_volume::LANES_ISA
