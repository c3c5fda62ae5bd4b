// One sample, or a rank's part of it, from one output time to the next by Runge–Kutta stages that are convex combinations of
// Euler steps: all axes together, over a bed or in a potential, with friction and viscosity. The lanes are neighbouring cells.
#pragma once

#include "fields.hpp"
#include "friction.hpp"
#include "rows.hpp"
#include "sweep.hpp"

namespace lanes::finite_volume::LANES_ISA {

template <template <class, int> class Law, class T, int L, int D> class Stages {
    using V = Vector<T, L>;
    using R = Rows<Law, T, L, D>;
    using Mask = typename R::Mask;
    using Own = typename R::Own;
    static constexpr int N = R::N;

    const Box& box;
    Member& member;
    const Neighbours& others;
    const Planes<T, L, D> bare, padded, between;
    R rows;
    T *q, *e;       // averages at the start of the step, and those of the stage
    T *began, *held = nullptr;  // those at the start of the stage; room for them where primitive variables do not tell
    T *w, *height;  // primitive variables; the bed or the potential
    T *share, *mass[D];  // of a cell's water that may leave it, or flags of cells in need; what flows through faces
    T* strips;
    long width;
    const bool uneven, viscous, drains, rough;
    double step = 0, rate = 0;
    bool good = true;

    static long strip_width(const Box& box) { return (box.cells[0] + 2 + L - 1) / L * L + 2 * L; }

    Stages(const Box& shared, Member& own, const Neighbours& beside, Arena& arena)
        : box(shared), member(own), others(beside), bare(Planes<T, L, D>::bare(shared)), padded(Planes<T, L, D>::padded(shared)),
          between(Planes<T, L, D>::between(shared)), rows(shared, own), width(strip_width(shared)), uneven(shared.uneven),
          viscous(!R::water && shared.viscous), drains(R::water && shared.uneven), rough(R::water && shared.rough) {
        q = bare.take(arena, N);
        e = bare.take(arena, N);
        w = padded.take(arena, N);
        height = uneven ? padded.take(arena, 1) : nullptr;
        if (R::water && !drains) held = bare.take(arena, N);
        share = viscous ? nullptr : padded.take(arena, 1);
        for (T*& faces : mass) faces = drains ? between.take(arena, 1) : nullptr;
        strips = arena.template take<T>(size_t(width) * (N + 1) * 5);
    }

  public:
    static size_t memory(const Box& box) {
        Arena arena{nullptr};
        Member nobody{};
        const Neighbours alone{};
        Stages(box, nobody, alone, arena);
        return arena.used + 128;
    }

    static void advance(const Box& box, Member& member, const Neighbours& others, void* memory) {
        Arena arena{static_cast<char*>(memory)};
        Stages(box, member, others, arena).march();
    }

  private:
    void march() {
        load();
        bool ends = !(box.length > 0);
        member.time = ends ? box.length : 0;
        measure();
        for (long number = 0; number < box.max_steps && good && !ends; ++number) {
            step = next_step(box, member, rate, 0, ends);
            for (int stage = 0; stage < box.stages; ++stage) {
                euler(stage == 0 ? q : e);
                combine(stage);
            }
            member.steps += 1;
            measure();
        }
        store();
    }

    template <class Act> void each_row(Act act) const {
        for (int z = 0; z < box.cells[2]; ++z) {
            for (int y = 0; y < box.cells[1]; ++y) act(bare.at(y, z), padded.at(y, z), y, z);
        }
    }

    double largest(double own) const { return others.largest ? others.largest(others.context, own) : own; }

    // Ghosts of `count` padded planes, axis by axis from the slowest: corners come along.
    void surround(T* planes, int count, const T* beyond, bool turns) const {
        const Sides<T, L, D> sides{box, padded};
        for (int axis = D - 1; axis >= 0; --axis) {
            if (box.sides[axis][0] == Side::inner || box.sides[axis][1] == Side::inner) {
                others.exchange(others.context, planes, count, padded.step, padded.size, axis);
            }
            for (int v = 0; v < count; ++v) {
                const bool speed = turns && v >= 1 && v <= D;
                const T sign[2] = {T(speed && v == 1 + axis ? -1 : 1), T(speed ? -1 : 1)};
                sides.fill(planes + v * padded.size, axis, sign, beyond);
            }
        }
    }

    Around<T> around(int axis, long row, bool safe = false) const {
        return {w + row, height ? height + row : nullptr, safe ? share + row : nullptr, padded.size, padded.step[axis]};
    }

    Own strip(int number) const { return {strips + number * width * (N + 1), width}; }

    // One Euler step of what `from` holds, into `e`.
    void euler(const T* from) {
        primitives(from);
        const size_t bytes = size_t(bare.size) * N * sizeof(T);
        began = from != e ? q : held;
        if (from != e) memcpy(e, from, bytes);
        else if (held) memcpy(held, from, bytes);
        flow(false);
        if (drains) drain();
        else if (!viscous) mend();
        if constexpr (R::water) settle();
    }

    void primitives(const T* from) {
        each_row([&](long row, long there, int, int) {
            for (int x = 0; x < box.cells[0]; x += L) {
                V own[N], out[R::System::kept];
                for (int v = 0; v < N; ++v) own[v] = near<V>(from + v * bare.size + row + x);
                rows.law.primitive(own, out);
                for (int v = 0; v < N; ++v) put(w + v * padded.size + there + x, out[v]);
            }
        });
        surround(w, N, nullptr, true);
    }

    void flow(bool safe) {
        const V before = rows.limited;
        along_x(safe);
        for (int axis = 1; axis < D; ++axis) {
            const int other = axis == 1 ? 2 : 1;
            for (int j = 0; j < box.cells[other]; ++j) across(axis, j * bare.step[other], j * padded.step[other], j * between.step[other], safe);
        }
        if (safe) rows.limited = before;  // counted before
    }

    void along_x(bool safe) {
        const int n = box.cells[0];
        const T ratio = T(step) * rows.per_cell[0];
        const Own low = strip(0), high = strip(1), f = strip(2);
        each_row([&](long row, long there, int y, int z) {
            rows.edges(box.limiter, around(0, there - 1), n + 2, 1, n + 1, low, high);
            rows.faces(box.flux, around(0, there, safe), 1, n + 1, high, low.from(1), f);
            if (viscous) friction_inside(0, there, n + 1, f);
            if (drains) memcpy(mass[0] + between.at(y, z), f[0], size_t(n + 1) * sizeof(T));
            rows.gather(uneven, 1, n, ratio, f, f.from(1), e + row, bare.size);
            if (uneven) rows.push(around(0, there), n, ratio, low.from(1), high.from(1), e + bare.size + row);
        });
    }

    // All rows of a plane, one after the other along an axis that is not x.
    void across(int axis, long row, long there, long face, bool safe) {
        const int n = box.cells[axis], count = box.cells[0];
        const T ratio = T(step) * rows.per_cell[axis];
        Own low = strip(0), high = strip(1), behind = strip(2), f = strip(3), before = strip(4);
        for (int i = -1; i <= n; ++i) {
            const long own = there + i * padded.step[axis];
            const bool inside = i >= 0 && i < n;
            rows.edges(box.limiter, around(axis, own), count, 0, inside ? count : 0, low, high);
            if (i >= 0) {
                rows.faces(box.flux, around(axis, own, safe), 1 + axis, count, behind, low, f);
                if (viscous) friction_inside(axis, own, count, f);
                if (drains) memcpy(mass[axis] + face + i * between.step[axis], f[0], size_t(count) * sizeof(T));
                if (i >= 1) rows.gather(uneven, 1 + axis, count, ratio, before, f, e + row + (i - 1) * bare.step[axis], bare.size);
                swap(f, before);
            }
            if (uneven && inside) rows.push(around(axis, own), count, ratio, low, high, e + (1 + axis) * bare.size + row + i * bare.step[axis]);
            swap(high, behind);
        }
    }

    static void swap(Own& a, Own& b) {
        const Own c = a;
        a = b;
        b = c;
    }

    void friction_inside(int axis, long there, int count, Own f) {
        if constexpr (!R::water) rows.viscous(around(axis, there), padded.step, axis, count, f);
    }

    // What leaves a cell through its faces within the step is scaled together, so that no cell gives more than it has.
    void drain() {
        bool empty = false;
        each_row([&](long, long there, int y, int z) {
            for (int x = 0; x < box.cells[0]; x += L) {
                V asked{};
                for (int axis = 0; axis < D; ++axis) {
                    const T* below = mass[axis] + between.at(y, z) + x;
                    const V in = near<V>(below), out = near<V>(below + between.step[axis]);
                    asked = fused(greater(out, V{}) - smaller(in, V{}), all<V>(T(step) * rows.per_cell[axis]), asked);
                }
                const V depth = near<V>(w + there + x);
                const Mask more = (asked > depth) & rows.within(x, 0, box.cells[0]);
                rows.limited += more ? all<V>(1) : V{};
                put(share + there + x, more ? depth / (more ? asked : all<V>(1)) : all<V>(1));
                for (int l = 0; l < L; ++l) empty = empty || more[l];
            }
        });
        empty = largest(empty) > 0;
        const T whole = 1;
        if (empty) surround(share, 1, &whole, false);
        each_row([&](long row, long there, int y, int z) {
            for (int axis = 0; axis < D; ++axis) {
                const long face = between.at(y, z), up = between.step[axis], next = padded.step[axis];
                const V ratio = all<V>(T(step) * rows.per_cell[axis]);
                for (int x = 0; x < box.cells[0]; x += L) {
                    V in = near<V>(mass[axis] + face + x), out = near<V>(mass[axis] + face + up + x);
                    if (empty) {
                        const T* own = share + there + x;
                        in *= in > V{} ? near<V>(own - next) : near<V>(own);
                        out *= out > V{} ? near<V>(own) : near<V>(own + next);
                    }
                    put(e + row + x, fused(ratio, in - out, near<V>(e + row + x)));
                }
            }
        });
    }

    // Faces of cells that would become unphysical take the safest fluxes instead.
    void mend() {
        if (!flag(true)) return;
        const T none = 0;
        for (int turn = 0; turn < 3; ++turn) {
            surround(share, 1, &none, false);
            rewind();
            flow(true);
            if (!flag(false)) break;
        }
        each_row([&](long, long there, int, int) {
            for (int x = 0; x < box.cells[0]; ++x) member.limited += share[there + x] > 0;
        });
    }

    // The averages as the stage found them. Primitive variables of a gas say what they were, unphysical ones too; those of
    // water do not.
    void rewind() {
        if (began) {
            memcpy(e, began, size_t(bare.size) * N * sizeof(T));
            return;
        }
        each_row([&](long row, long there, int, int) {
            for (int x = 0; x < box.cells[0]; x += L) {
                V own[N], back[N];
                for (int v = 0; v < N; ++v) own[v] = near<V>(w + v * padded.size + there + x);
                rows.law.conserved(own, back);
                for (int v = 0; v < N; ++v) put(e + v * bare.size + row + x, back[v]);
            }
        });
    }

    // Marks cells of `e` that are not physical, beside those that are marked; whether there is a new one anywhere.
    bool flag(bool first) {
        bool found = false;
        each_row([&](long row, long there, int, int) {
            for (int x = 0; x < box.cells[0]; x += L) {
                V own[N];
                for (int v = 0; v < N; ++v) own[v] = near<V>(e + v * bare.size + row + x);
                const V old = first ? V{} : near<V>(share + there + x);
                const Mask bad = rows.law.sound_state(own) ? Mask{} : rows.within(x, 0, box.cells[0]) & (old == V{});
                put(share + there + x, bad ? all<V>(1) : old);
                for (int l = 0; l < L; ++l) found = found || bad[l];
            }
        });
        return largest(found) > 0;
    }

    // A depth below zero by round-off alone is zero; water too shallow to move has no momentum.
    void settle() {
        V least{}, most{};
        each_row([&](long row, long, int, int) {
            for (int x = 0; x < box.cells[0]; x += L) {
                const Mask inside = rows.within(x, 0, box.cells[0]);
                const V depth = near<V>(e + row + x);
                least = smaller(inside ? depth : V{}, least);
                most = greater(inside ? size(depth) : V{}, most);
                for (int v = 1; v < N; ++v) {
                    T* own = e + v * bare.size + row + x;
                    put(own, depth > rows.dry ? near<V>(own) : V{});
                }
            }
        });
        double deepest = 0;
        bool below = false;
        for (int l = 0; l < L; ++l) {
            below = below || least[l] < 0;
            deepest = deepest < double(most[l]) ? double(most[l]) : deepest;
        }
        if (!(largest(below) > 0)) return;
        const V tiny = all<V>(T(-100) * (sizeof(T) == 4 ? T(0x1p-23) : T(0x1p-52)) * T(largest(deepest)));
        each_row([&](long row, long, int, int) {
            for (int x = 0; x < box.cells[0]; x += L) {
                const V depth = near<V>(e + row + x);
                put(e + row + x, (depth < V{}) & (depth > tiny) ? V{} : depth);
            }
        });
    }

    // The stage's share of the step (Shu & Osher 1988): the last one's is the new state.
    void combine(int stage) {
        if (stage == 0) return;
        const bool ends = stage == box.stages - 1;
        const T old = box.stages == 2 ? T(0.5) : ends ? T(1.0 / 3) : T(0.75), fresh = box.stages == 2 ? T(0.5) : ends ? T(2.0 / 3) : T(0.25);
        const V rubbing = all<V>(T(drag(member.parameters, step)));
        each_row([&](long row, long, int, int) {
            for (int x = 0; x < box.cells[0]; x += L) {
                V own[N];
                for (int v = 0; v < N; ++v) {
                    own[v] = fused(near<V>(q + v * bare.size + row + x), all<V>(old), near<V>(e + v * bare.size + row + x) * fresh);
                }
                if constexpr (R::water) {
                    if (ends && rough) rub<D>(own, rubbing, rows.dry);
                }
                for (int v = 0; v < N; ++v) put((ends ? q : e) + v * bare.size + row + x, own[v]);
            }
        });
    }

    // 1/Δt at Courant number one, the sum over the axes, and whether all is physical.
    void measure() {
        V top{};
        Mask sound = V{} == V{};
        V viscosity{};
        for (int axis = 0; axis < D && viscous; ++axis) viscosity += (rows.shear * T(4.0 / 3) + rows.bulk) * (2 * rows.per_cell[axis] * rows.per_cell[axis]);
        each_row([&](long row, long, int, int) {
            for (int x = 0; x < box.cells[0]; x += L) {
                V own[N], out[R::System::kept], sum{};
                for (int v = 0; v < N; ++v) own[v] = near<V>(q + v * bare.size + row + x);
                const Mask inside = rows.within(x, 0, box.cells[0]);
                rows.law.primitive(own, out);
                const V c = rows.law.sound_in_cell(out);
                for (int axis = 0; axis < D; ++axis) sum = fused(rows.law.fastest(out, c, 1 + axis), all<V>(rows.per_cell[axis]), sum);
                if (viscous) sum += viscosity / out[0];
                top = greater(inside ? sum : V{}, top);
                sound = inside ? sound & rows.law.sound_state(own) : sound;
            }
        });
        rate = 0;
        good = true;
        for (int l = 0; l < L; ++l) {
            good = good && sound[l];
            rate = double(top[l]) > rate ? double(top[l]) : rate;
        }
        rate = largest(good ? rate : __builtin_inf());
        good = rate < __builtin_inf();
    }

    void load() {
        const long plane = box.count();
        const T* source = static_cast<const T*>(member.state);
        each_row([&](long row, long there, int y, int z) {
            const long first = long(box.cells[0]) * (y + long(box.cells[1]) * z);
            for (int v = 0; v < N; ++v) {
                T* own = q + v * bare.size + row;
                memcpy(own, source + v * plane + first, size_t(box.cells[0]) * sizeof(T));
                for (long x = box.cells[0]; x < bare.step[1]; ++x) own[x] = own[box.cells[0] - 1];
            }
            if (height) memcpy(height + there, static_cast<const T*>(member.height) + first, size_t(box.cells[0]) * sizeof(T));
        });
        if (height) surround(height, 1, nullptr, false);
        for (long i = 0; i < 5 * width * (N + 1); ++i) strips[i] = 0;
    }

    void store() {
        const long plane = box.count();
        T* target = static_cast<T*>(member.result);
        each_row([&](long row, long, int y, int z) {
            const long first = long(box.cells[0]) * (y + long(box.cells[1]) * z);
            for (int v = 0; v < N; ++v) memcpy(target + v * plane + first, q + v * bare.size + row, size_t(box.cells[0]) * sizeof(T));
        });
        for (int l = 0; l < L; ++l) member.limited += long(rows.limited[l]);
    }
};

}  // namespace lanes::finite_volume::LANES_ISA
