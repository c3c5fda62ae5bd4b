// A block of lanes from one output time to the next, a sample in each lane; one axis after the other.
#pragma once

#include "../arena.hpp"
#include "sweep.hpp"

namespace lanes::finite_volume::LANES_ISA {

// State: [cell][variable], vectors of lanes. `Law<V, D>` is the system.
template <template <class, int> class Law, class T, int L, int D> class Block {
    using V = Vector<T, L>;
    using System = Law<V, D>;
    using Mask = decltype(V{} > V{});
    static constexpr int N = System::variables;

    const Box& box;
    Member* const members;
    const int count;
    V* const state;
    V parameter{};
    Sweep<Law, T, L, D> sweep;
    Member* own[L] = {};     // who is in each lane
    int next = 0;            // of those that wait
    double pending[L] = {};  // of each lane: what its first axis has still to go

    Block(const Box& shared, Member* first, int size, V* memory)
        : box(shared), members(first), count(size), state(memory), sweep(shared, parameter) {}

  public:
    static size_t memory(const Box& box) { return size_t(size(box)) * N * sizeof(V) + 128; }

    // More members than lanes only where there is one axis, and so no half step that a lane might be in the midst of.
    static void advance(const Box& box, Member* members, int count, void* memory) {
        Arena arena{static_cast<char*>(memory)};
        V* state = arena.take<V>(size_t(size(box)) * N);
        Block block(box, members, count, state);
        for (int i = 0; i < L; ++i) block.load(i, members[0]);  // a lane without a member computes, but nobody looks
        block.march();
        block.finish();
        for (int i = 0; i < L; ++i) block.store(i);
    }

  private:
    // Rows are an odd number of cells apart: columns would meet in a few lines of the cache if it were a power of two.
    static long pitch(const Box& box) { return D > 1 ? box.cells[0] | 1 : box.cells[0]; }
    static long size(const Box& box) { return pitch(box) * box.cells[1] * box.cells[2]; }

    template <class Act> void each_cell(Act act) const {
        const long rows = long(box.cells[1]) * box.cells[2];
        for (long row = 0; row < rows; ++row) {
            for (int x = 0; x < box.cells[0]; ++x) act(row * pitch(box) + x, row * box.cells[0] + x);
        }
    }

    void march() {
        for (long number = 0;; ++number) {
            bool ends[L] = {};
            fill();
            if (!choose_steps(ends)) {
                if (next == count) return;
                continue;
            }
            for (int i = 0; i < D; ++i) {
                if (i == D - 1) sweep.forget();
                sweep_all(axis_of(D, number, i), i == D - 1);
            }
            note(ends);
        }
    }

    // Free lanes take who waits, and find the rate of what they took.
    void fill() {
        Mask fresh{};
        const int first = next;
        for (int i = 0; i < L && next < count; ++i) {
            if (sweep.live[i]) continue;
            store(i);
            own[i] = &members[next++];
            load(i, *own[i]);
            pending[i] = 0;
            fresh[i] = -1;
            sweep.live[i] = box.length > 0 ? -1 : 0;
        }
        if (next == first) return;
        sweep.law = System(parameter, box);
        const V rate = sweep.rate;
        const Mask good = sweep.good;
        sweep.forget();
        each_cell([&](long cell, long) { sweep.measure(state + cell * N); });
        sweep.rate = fresh ? sweep.rate : rate;
        sweep.good = fresh ? sweep.good : good;
    }

    // After a step: who has arrived waits, but for what is left of its last step.
    void note(const bool* ends) {
        for (int i = 0; i < L; ++i) {
            if (!sweep.live[i]) continue;
            own[i]->steps += 1;
            own[i]->limited += long(sweep.limited[i]);
            if (ends[i]) sweep.live[i] = 0;
        }
        sweep.limited = V{};
    }

    // The halves of the last steps, all lanes together.
    void finish() {
        if (D != 2) return;
        for (int i = 0; i < L; ++i) {
            sweep.live[i] = own[i] && sweep.good[i] && pending[i] > 0 ? -1 : 0;
            sweep.ratio[0][i] = T(pending[i] / box.spacing[0]);
        }
        sweep.limited = V{};
        sweep_all(0, false);
        for (int i = 0; i < L; ++i) {
            if (sweep.live[i]) own[i]->limited += long(sweep.limited[i]);
        }
    }

    // Equal steps to the end of the interval, as the reference takes them; false where no lane is left.
    bool choose_steps(bool* ends) {
        bool any = false;
        double step[L] = {};
        for (int i = 0; i < L; ++i) {
            if (!sweep.live[i]) continue;
            if (!sweep.good[i] || own[i]->steps >= box.max_steps) {
                sweep.live[i] = 0;
                continue;
            }
            any = true;
            step[i] = next_step(box, *own[i], double(sweep.rate[i]), pending[i], ends[i]);
        }
        for (int axis = 0; axis < D; ++axis) {
            for (int i = 0; i < L; ++i) sweep.ratio[axis][i] = T(length_of(D, axis, step[i], pending[i]) / box.spacing[axis]);
        }
        for (int i = 0; i < L; ++i) pending[i] = sweep.live[i] ? left_of(D, step[i]) : pending[i];
        if (System::rubs && box.rough) {
            for (int i = 0; i < L; ++i) sweep.drag[i] = own[i] ? T(drag(own[i]->parameters, step[i])) : T(0);
        }
        return any;
    }

    void sweep_all(int axis, bool last) {
        const long stride[3] = {1, pitch(box), pitch(box) * box.cells[1]};
        const int one = axis == 0 ? 1 : 0, two = axis == 2 ? 1 : 2;
        for (int j = 0; j < box.cells[two]; ++j) {
            for (int i = 0; i < box.cells[one]; ++i) {
                V* first = state + (j * stride[two] + i * stride[one]) * N;
                Packed<V, N> cells{{}, stride[axis] * N};
                for (int v = 0; v < N; ++v) cells.first[v] = first + sweep.variable(axis, v);
                sweep.line(cells, axis, last);
            }
        }
    }

    void load(int lane, const Member& from) {
        const long cells = box.count();
        const T* source = static_cast<const T*>(from.state);
        T* target = reinterpret_cast<T*>(state) + lane;
        each_cell([&](long cell, long given) {
            for (int v = 0; v < N; ++v) target[(cell * N + v) * L] = source[v * cells + given];
        });
        parameter[lane] = T(from.parameters[0]);
    }

    void store(int lane) const {
        if (!own[lane]) return;
        const long cells = box.count();
        T* target = static_cast<T*>(own[lane]->result);
        const T* source = reinterpret_cast<const T*>(state) + lane;
        each_cell([&](long cell, long to) {
            for (int v = 0; v < N; ++v) target[v * cells + to] = source[(cell * N + v) * L];
        });
    }
};

}  // namespace lanes::finite_volume::LANES_ISA
