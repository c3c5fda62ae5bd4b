// A block of lanes from one output time to the next: MUSCL–Hancock, one axis after the other, a sample in each lane.
#pragma once

#include <math.h>

#include "../arena.hpp"
#include "lane_math.hpp"

namespace lanes::finite_volume::LANES_ISA {

// State: [cell][variable], vectors of lanes. `Law<V, D>` is the system.
template <template <class, int> class Law, class T, int L, int D> class Block {
    using V = Vector<T, L>;
    using System = Law<V, D>;
    using Mask = decltype(V{} > V{});
    static constexpr int N = System::variables, K = System::kept;

    const Box& box;
    Member* const members;
    const int count;
    V* const state;
    const System law;
    Mask live{};          // lanes on their way
    V ratio[3];           // Δt/h
    T per_cell[3];        // 1/h
    V rate{}, limited{};  // of this step
    Mask good{};

    Block(const Box& shared, Member* first, int size, V parameter, V* memory)
        : box(shared), members(first), count(size), state(memory), law(parameter, shared) {
        for (int axis = 0; axis < D; ++axis) per_cell[axis] = T(1 / shared.spacing[axis]);
    }

  public:
    static size_t memory(const Box& box) { return size_t(box.count()) * N * sizeof(V) + 128; }

    static void advance(const Box& box, Member* members, int count, void* memory) {
        Arena arena{static_cast<char*>(memory)};
        V* state = arena.take<V>(size_t(box.count()) * N);
        V parameter;
        for (int i = 0; i < L; ++i) parameter[i] = T(members[i < count ? i : 0].parameter);
        Block block(box, members, count, parameter, state);
        block.load();
        block.march();
        block.store();
    }

  private:
    void march() {
        for (int i = 0; i < L; ++i) live[i] = i < count && box.length > 0 ? -1 : 0;
        measure();
        for (long number = 0; number < box.max_steps; ++number) {
            bool ends[L] = {};
            if (!choose_steps(ends)) return;
            limited = V{};
            const bool x_first = number % 2 == 0;
            for (int i = 0; i < D; ++i) {
                if (i == D - 1) rate = V{}, good = V{} == V{};
                sweep_all(x_first ? i : D - 1 - i, i == D - 1);
            }
            for (int i = 0; i < count; ++i) {
                if (!live[i]) continue;
                members[i].steps += 1;
                members[i].limited += long(limited[i]);
                if (ends[i]) live[i] = 0;
            }
        }
    }

    // Equal steps to the end of the interval, as the reference takes them; false where no lane is left.
    bool choose_steps(bool* ends) {
        bool any = false;
        double step[L] = {};
        for (int i = 0; i < count; ++i) {
            if (!live[i]) continue;
            if (!good[i]) {
                live[i] = 0;
                continue;
            }
            any = true;
            const double left = box.length - members[i].time;
            const double parts = fmax(ceil(left * double(rate[i]) / box.cfl), 1);
            step[i] = left / parts;
            ends[i] = parts == 1;
            members[i].time = ends[i] ? box.length : members[i].time + step[i];
        }
        for (int axis = 0; axis < D; ++axis) {
            for (int i = 0; i < L; ++i) ratio[axis][i] = T(step[i] / box.spacing[axis]);
        }
        return any;
    }

    LANES_INLINE void measure_cell(const V* q, const V* w) {
        const V c = law.sound_in_cell(w);
        for (int axis = 0; axis < D; ++axis) {
            rate = greater(law.fastest(w, c, 1 + axis) * per_cell[axis], rate);
        }
        good = good & law.sound_state(q);
    }

    void measure() {
        rate = V{};
        good = V{} == V{};
        for (long cell = 0; cell < box.count(); ++cell) {
            V w[K];
            law.primitive(state + cell * N, w);
            measure_cell(state + cell * N, w);
        }
    }

    void sweep_all(int axis, bool last) {
        const long stride[3] = {1, box.cells[0], long(box.cells[0]) * box.cells[1]};
        const int one = axis == 0 ? 1 : 0, two = axis == 2 ? 1 : 2;
        for (int j = 0; j < box.cells[two]; ++j) {
            for (int i = 0; i < box.cells[one]; ++i) {
                V* line = state + (j * stride[two] + i * stride[one]) * N;
                if (last) sweep<true>(line, axis, stride[axis] * N);
                else sweep<false>(line, axis, stride[axis] * N);
            }
        }
    }

    // The two cells beyond a side, nearest first, from the line as it was before the sweep.
    void beyond(const V* line, int axis, long stride, int high, V* ghosts) const {
        const Side side = box.sides[axis][high];
        const int n = box.cells[axis];
        for (int k = 0; k < 2; ++k) {
            const int mirrored = side == Side::outflow ? 0 : side == Side::periodic ? n - 1 - k : k;
            V* w = ghosts + k * K;
            law.primitive(line + (high ? n - 1 - mirrored : mirrored) * stride, w);
            if (side == Side::reflecting) w[1 + axis] = -w[1 + axis];
            if (side == Side::no_slip) {
                for (int v = 1; v <= D; ++v) w[v] = -w[v];
            }
        }
    }

    // Cell after cell: its edges half a step on, the flux through its low face, and then its low neighbour is done.
    template <bool Measure> void sweep(V* line, int axis, long stride) {
        const int n = box.cells[axis], normal = 1 + axis;
        const V own = ratio[axis];
        V below[2 * K], above[2 * K];
        beyond(line, axis, stride, 0, below);
        beyond(line, axis, stride, 1, above);
        V a[K], b[K], c[K], edge[N] = {}, flow[N] = {};
        for (int v = 0; v < K; ++v) {
            a[v] = below[K + v];
            b[v] = below[v];
        }
        for (int i = -1; i <= n; ++i) {
            if (i + 1 < n) {
                law.primitive(line + (i + 1) * stride, c);
            } else {
                for (int v = 0; v < K; ++v) c[v] = above[(i + 1 - n) * K + v];
            }
            V half[N], moved[N], low[N], high[N];
            for (int v = 0; v < N; ++v) half[v] = half_slope(box.limiter, b[v] - a[v], c[v] - b[v]);
            law.quasilinear(b, half, normal, moved);
            for (int v = 0; v < N; ++v) {
                const V middle = b[v] - own * moved[v];
                low[v] = middle - half[v];
                high[v] = middle + half[v];
            }
            keep_positive(b, low, high, i >= 0 && i < n);
            if (i >= 0) {
                V f[N];
                law.flux(box.flux, edge, low, normal, f);
                if (i >= 1) update<Measure>(line + (i - 1) * stride, f, flow, own);
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

    // A lane that has arrived, or failed, keeps its state bit for bit.
    template <bool Measure> LANES_INLINE void update(V* q, const V* out, const V* in, V own) {
        for (int v = 0; v < N; ++v) q[v] = live ? q[v] - own * (out[v] - in[v]) : q[v];
        if constexpr (Measure) {
            V w[K];
            law.primitive(q, w);
            measure_cell(q, w);
        }
    }

    void load() {
        const long cells = box.count();
        for (int i = 0; i < L; ++i) {
            const T* source = static_cast<const T*>(members[i < count ? i : 0].state);
            T* target = reinterpret_cast<T*>(state) + i;
            for (long cell = 0; cell < cells; ++cell) {
                for (int v = 0; v < N; ++v) target[(cell * N + v) * L] = source[v * cells + cell];
            }
        }
    }

    void store() {
        const long cells = box.count();
        for (int i = 0; i < count; ++i) {
            T* target = static_cast<T*>(members[i].result);
            const T* source = reinterpret_cast<const T*>(state) + i;
            for (int v = 0; v < N; ++v) {
                for (long cell = 0; cell < cells; ++cell) target[v * cells + cell] = source[(cell * N + v) * L];
            }
        }
    }
};

}  // namespace lanes::finite_volume::LANES_ISA
