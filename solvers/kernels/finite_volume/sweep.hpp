// A line of cells for one step along one axis: MUSCL–Hancock. What the lanes are (samples, or neighbouring lines of one
// sample) is a matter of where the cells lie; the arithmetic, and so the bits, are the same.
#pragma once

#include <math.h>

#include "friction.hpp"
#include "lane_math.hpp"

namespace lanes::finite_volume::LANES_ISA {

// The rate at which a step must count what an earlier one left `pending` of the first axis: with half of the step it goes
// no further than one Courant number, unless the waves became faster by more than half within a step.
inline double together(const Box& box, double rate, double pending) {
    return rate / fmin(fmax(2 - 2 * (pending * rate / box.cfl), 0.5), 1);
}

// The steps left of an interval are equal, so that none of them is a sliver; moves the member's time.
inline double next_step(const Box& box, Member& member, double rate, double pending, bool& ends) {
    const double left = box.length - member.time, step_rate = together(box, rate, pending);
    const double parts = fmax(ceil(left * step_rate / box.cfl), 1), step = left / parts;
    ends = parts == 1;
    member.time = ends ? box.length : member.time + step;
    return step;
}

// The order of the axes in a step, and how far each goes (Strang 1968). Two axes: the first by half a step, the other by a whole one,
// the first by the other half, which the next step's first half takes along. Three take turns in beginning.
constexpr int axis_of(int axes, long number, int place) { return axes == 2 || number % 2 == 0 ? place : axes - 1 - place; }
constexpr double length_of(int axes, int axis, double step, double pending) { return axes == 2 && axis == 0 ? pending + step / 2 : step; }
constexpr double left_of(int axes, double step) { return axes == 2 ? step / 2 : 0; }

// Of friction within a step: Δt g n².
inline double drag(const double* parameters, double step) { return step * parameters[0] * parameters[1] * parameters[1]; }

// In a sweep the velocity along its axis comes first of the velocities: the number of the variable at place v.
template <class System, int D> constexpr int variable_at(int axis, int v) {
    if (!System::has_velocity || v == 0 || v > D) return v;
    return v == 1 ? 1 + axis : v <= 1 + axis ? v - 1 : v;
}

// Cells as vectors, the variables of a cell side by side.
template <class V, int N> struct Packed {
    V* first[N];  // of each variable
    long stride;  // from cell to cell, in vectors

    LANES_INLINE void load(long i, V* q) const {
        for (int v = 0; v < N; ++v) q[v] = first[v][i * stride];
    }
    LANES_INLINE void again(long i, V* q) const { load(i, q); }
    LANES_INLINE void store(long i, const V* q) const {
        for (int v = 0; v < N; ++v) first[v][i * stride] = q[v];
    }
};

template <template <class, int> class Law, class T, int L, int D> struct Sweep {
    using V = Vector<T, L>;
    using System = Law<V, D>;
    using Mask = decltype(V{} > V{});
    static constexpr int N = System::variables, K = System::kept;

    const Box& box;
    System law;
    Mask live{};          // lanes on their way; the others keep their state bit for bit
    V ratio[3];           // Δt/h
    T per_cell[3];        // 1/h
    T along[3];           // the same in the order of a sweep
    V drag{};             // of a rough bed
    V rate{}, limited{};  // of this step
    Mask good{};

    static constexpr int SOME = 16, GHOSTS = 2;
    V w[SOME + 4][K], low[SOME + 2][N], high[SOME + 2][N], f[SOME + 1][N];  // of the cells at hand

    Sweep(const Box& shared, V parameter) : box(shared), law(parameter, shared) {
        for (int axis = 0; axis < D; ++axis) per_cell[axis] = T(1 / shared.spacing[axis]);
        order(0);
    }

    static constexpr int variable(int axis, int v) { return variable_at<System, D>(axis, v); }

    void order(int axis) {
        for (int v = 0; v < D; ++v) along[v] = per_cell[System::has_velocity ? variable(axis, 1 + v) - 1 : v];
    }

    void forget() {
        rate = V{};
        good = V{} == V{};
    }

    LANES_INLINE void measure(const V* q, V& top, Mask& sound) const {
        V w[K];
        law.primitive(q, w);
        const V c = law.sound_in_cell(w);
        for (int axis = 0; axis < D; ++axis) top = greater(law.fastest(w, c, 1 + axis) * along[axis], top);
        sound = sound & law.sound_state(q);
    }

    LANES_INLINE void measure(const V* q) { measure(q, rate, good); }

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
                if (side == Side::reflecting) w[1] = -w[1];
                if (side == Side::no_slip) {
                    for (int v = 1; v <= D; ++v) w[v] = -w[v];
                }
            }
        }
    }

    template <class Cells> void line(Cells cells, int axis, bool last) {
        order(axis);
        V beneath[GHOSTS * K], above[GHOSTS * K];
        beyond(cells, axis, 0, beneath);
        beyond(cells, axis, 1, above);
        if constexpr (System::lone) {
            with(box.limiter, [&](auto which) {
                if (box.flux == Flux::rusanov) lone_line<which.value, Flux::rusanov>(cells, axis, beneath, above);
                else lone_line<which.value, Flux::hll>(cells, axis, beneath, above);
            });
        } else {
            line_in_passes(cells, axis, last, beneath, above);
        }
    }

    // A lone variable never leaves the registers, cell after cell: so little is done to one that the processor looks ahead to
    // several. What was, is and comes: `before` and `after` are the differences to both sides of the cell at hand, u.
    template <Limiter limiter, Flux flux, class Cells> void lone_line(Cells cells, int axis, const V* beneath, const V* above) {
        const typename System::Line along(law, ratio[axis]);
        const Mask on = live;
        const int n = box.cells[axis];
        V q[1], u = beneath[0], before = u - beneath[1];
        cells.load(0, q);
        V next = q[0], after = next - u;
        auto edges = along.edges(u, half_slope(limiter, before, after));
        // To the next cell, beyond which lies `further`: what flows into it.
        const auto forward = [&](V further) __attribute__((always_inline)) {
            u = next, next = further, before = after, after = minus(next, u);
            const auto last_edges = edges;
            edges = along.edges(u, half_slope(limiter, before, after));
            return along.template flow<flux>(last_edges, edges);
        };
        cells.load(1, q);
        V in = forward(q[0]), top{}, lost{};
        const auto renew = [&](int i, V further) __attribute__((always_inline)) {
            const V old = u, out = forward(further);
            q[0] = on ? fused(-along.ratio, out - in, old) : old;
            in = out;
            cells.store(i, q);
            top = law.larger(q[0], top);
            lost = fused(q[0], V{}, lost);  // NaN ever after, where the cell is infinite or NaN
        };
        for (int i = 0; i < n - 2; ++i) {
            cells.load(i + 2, q);
            renew(i, q[0]);
        }
        renew(n - 2, above[0]);
        renew(n - 1, above[1]);
        measure(&top, rate, good);
        good = good & (lost == V{});
    }

    // Some cells at a time, pass after pass: what is done to one cell does not wait for another, and stays in the first-level cache.
    template <class Cells> void line_in_passes(Cells cells, int axis, bool last, const V* beneath, const V* above) {
        const int n = box.cells[axis];
        for (int v = 0; v < K; ++v) w[0][v] = beneath[K + v], w[1][v] = beneath[v];
        int ready = 0;  // cells of which w is known, edges are, and fluxes below them
        for (int start = 0; start < n; start += SOME) {
            const int count = n - start < SOME ? n - start : SOME, known = start ? 4 : 2;
            for (int i = known; i < count + 4; ++i) {
                const int cell = start + i - 2;
                if (cell < n) {
                    V q[N];
                    cells.load(cell, q);
                    law.primitive(q, w[i]);
                } else {
                    for (int v = 0; v < K; ++v) w[i][v] = above[(cell - n) * K + v];
                }
            }
            reconstruct(ratio[axis], ready ? 2 : 0, count + 2, start - 1, n);
            through(ready ? 1 : 0, count + 1);
            ready = 1;
            if (last) renew<true>(cells, start, count, ratio[axis]);
            else renew<false>(cells, start, count, ratio[axis]);
            carry(count);
        }
    }

    // The last cells of a piece are the first ones of the next.
    void carry(int count) {
        for (int i = 0; i < 4; ++i) {
            for (int v = 0; v < K; ++v) w[i][v] = w[count + i][v];
        }
        for (int i = 0; i < 2; ++i) {
            for (int v = 0; v < N; ++v) low[i][v] = low[count + i][v], high[i][v] = high[count + i][v];
        }
        for (int v = 0; v < N; ++v) f[0][v] = f[count][v];
    }

    // Both edges of cells half a step on.
    void reconstruct(const V own, int begin, int end, int first, int n) {
        with(box.limiter, [&](auto which) {
            V before[N];
            for (int v = 0; v < N; ++v) before[v] = w[begin + 1][v] - w[begin][v];
            for (int i = begin; i < end; ++i) {
                const V *b = w[i + 1], *c = w[i + 2];
                V half[N], moved[N], down[N], up[N];
                for (int v = 0; v < N; ++v) {
                    const V after = c[v] - b[v];
                    half[v] = half_slope(which.value, before[v], after);
                    before[v] = after;
                }
                law.quasilinear(b, half, 1, moved);
                for (int v = 0; v < N; ++v) {
                    const V middle = fused(-own, moved[v], b[v]);
                    down[v] = middle - half[v];
                    up[v] = middle + half[v];
                }
                keep_positive(b, down, up, first + i >= 0 && first + i < n);
                for (int v = 0; v < N; ++v) low[i][v] = down[v], high[i][v] = up[v];
            }
        });
    }

    void through(int begin, int end) {
        with(box.flux, [&](auto which) {
            for (int i = begin; i < end; ++i) {
                V out[N];
                law.flux(which.value, high[i], low[i + 1], 1, out);
                for (int v = 0; v < N; ++v) f[i][v] = out[v];
            }
        });
    }

    // Edge values where a positive variable would come near zero are the cell's own.
    LANES_INLINE void keep_positive(const V* middle, V* low, V* high, bool counts) {
        for (int i = 0; i < System::positives; ++i) {
            const int v = System::positive(i);
            if (any_less(smaller(low[v], high[v]), T(1e-6) * middle[v])) return help(middle, low, high, counts);
        }
    }

    LANES_INLINE void help(const V* middle, V* low, V* high, bool counts) {
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

    // What flows in and out; at the end of a step also what each cell does by itself, and the next step's rate.
    template <bool last, class Cells> void renew(Cells cells, int start, int count, const V own) {
        const Mask on = live;
        V top = rate;
        Mask sound = good;
        for (int i = 0; i < count; ++i) {
            V q[N], next[N];
            cells.again(start + i, q);
            for (int v = 0; v < N; ++v) next[v] = fused(-own, f[i + 1][v] - f[i][v], q[v]);
            if constexpr (System::rubs && last) {
                if (box.rough) rub<D>(next, drag, law.dry);
            }
            for (int v = 0; v < N; ++v) q[v] = on ? next[v] : q[v];
            cells.store(start + i, q);
            if constexpr (last) measure(q, top, sound);
        }
        rate = top;
        good = sound;
    }
};

}  // namespace lanes::finite_volume::LANES_ISA
