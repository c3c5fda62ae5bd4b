// A block of lanes from one output time to the next, a sample in each lane; one axis after the other.
#pragma once

#include "../arena.hpp"
#include "sweep.hpp"

namespace lanes::finite_volume::LANES_ISA {

// State: [cell][variable], vectors of lanes. `Law<V, D>` is the system.
template <template <class, int> class Law, class T, int L, int D> class Block {
    using V = Vector<T, L>;
    static constexpr int N = Law<V, D>::variables;

    const Box& box;
    Member* const members;
    const int count;
    V* const state;
    Sweep<Law, T, L, D> sweep;

    Block(const Box& shared, Member* first, int size, V parameter, V* memory)
        : box(shared), members(first), count(size), state(memory), sweep(shared, parameter) {}

  public:
    static size_t memory(const Box& box) { return size_t(box.count()) * N * sizeof(V) + 128; }

    static void advance(const Box& box, Member* members, int count, void* memory) {
        Arena arena{static_cast<char*>(memory)};
        V* state = arena.take<V>(size_t(box.count()) * N);
        V parameter;
        for (int i = 0; i < L; ++i) parameter[i] = T(members[i < count ? i : 0].parameters[0]);
        Block block(box, members, count, parameter, state);
        block.load();
        block.march();
        block.store();
    }

  private:
    void march() {
        for (int i = 0; i < L; ++i) sweep.live[i] = i < count && box.length > 0 ? -1 : 0;
        sweep.forget();
        for (long cell = 0; cell < box.count(); ++cell) sweep.measure(state + cell * N);
        for (long number = 0; number < box.max_steps; ++number) {
            bool ends[L] = {};
            if (!choose_steps(ends)) return;
            sweep.limited = V{};
            const bool x_first = number % 2 == 0;
            for (int i = 0; i < D; ++i) {
                if (i == D - 1) sweep.forget();
                sweep_all(x_first ? i : D - 1 - i, i == D - 1);
            }
            for (int i = 0; i < count; ++i) {
                if (!sweep.live[i]) continue;
                members[i].steps += 1;
                members[i].limited += long(sweep.limited[i]);
                if (ends[i]) sweep.live[i] = 0;
            }
        }
    }

    // Equal steps to the end of the interval, as the reference takes them; false where no lane is left.
    bool choose_steps(bool* ends) {
        bool any = false;
        double step[L] = {};
        for (int i = 0; i < count; ++i) {
            if (!sweep.live[i]) continue;
            if (!sweep.good[i]) {
                sweep.live[i] = 0;
                continue;
            }
            any = true;
            step[i] = next_step(box, members[i], double(sweep.rate[i]), ends[i]);
        }
        for (int axis = 0; axis < D; ++axis) {
            for (int i = 0; i < L; ++i) sweep.ratio[axis][i] = T(step[i] / box.spacing[axis]);
        }
        for (int i = 0; i < L; ++i) sweep.drag[i] = T(drag(members[i < count ? i : 0].parameters, step[i]));
        return any;
    }

    void sweep_all(int axis, bool last) {
        const long stride[3] = {1, box.cells[0], long(box.cells[0]) * box.cells[1]};
        const int one = axis == 0 ? 1 : 0, two = axis == 2 ? 1 : 2;
        for (int j = 0; j < box.cells[two]; ++j) {
            for (int i = 0; i < box.cells[one]; ++i) {
                V* first = state + (j * stride[two] + i * stride[one]) * N;
                sweep.line(Packed<V, N>{first, stride[axis] * N}, axis, last);
            }
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
