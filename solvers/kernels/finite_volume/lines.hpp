// One large sample, or a rank's part of it, in its own arrays: the lanes are neighbouring lines of cells. Along y and z
// a vector is a piece of a row as it lies there; along x, rows are transposed into a scratch of lines and back.
#pragma once

#include "../arena.hpp"
#include "../layout.hpp"
#include "sweep.hpp"

namespace lanes::finite_volume::LANES_ISA {

// Lines that stand side by side along x; where fewer than L are left, the last one fills the other lanes.
template <class T, int L, int N> struct Abreast {
    using V = Vector<T, L>;
    static constexpr int AHEAD = 8;
    T* first[N];  // of each variable
    long stride;  // from cell to cell
    int count;

    LANES_INLINE void load(long i, V* q) const {
        // A column is too sparse for the processor to guess.
        for (int v = 0; v < N; ++v) __builtin_prefetch(first[v] + (i + AHEAD) * stride, 1);
        again(i, q);
    }
    LANES_INLINE void again(long i, V* q) const {
        for (int v = 0; v < N; ++v) q[v] = count == L ? near<V>(first[v] + i * stride) : some(first[v] + i * stride, count);
    }
    LANES_INLINE void store(long i, const V* q) const {
        for (int v = 0; v < N; ++v) {
            if (count == L) put(first[v] + i * stride, q[v]);
            else some(first[v] + i * stride, q[v], count);
        }
    }

  private:
    __attribute__((noinline)) static V some(const T* from, int count) {
        V q;
        for (int l = 0; l < L; ++l) q[l] = from[l < count ? l : count - 1];
        return q;
    }
    __attribute__((noinline)) static void some(T* to, V q, int count) {
        for (int l = 0; l < count; ++l) to[l] = q[l];
    }
};

template <template <class, int> class Law, class T, int L, int D> class Lines {
    using V = Vector<T, L>;
    static constexpr int N = Law<V, D>::variables;
    static constexpr int GHOSTS = 2;

    const Box& box;
    Part& part;
    V* const scratch;
    Sweep<Law, T, L, D> sweep;

    Lines(const Box& shared, Part& own, void* memory)
        : box(shared), part(own), scratch(Arena{static_cast<char*>(memory)}.take<V>(scratch_size(shared))),
          sweep(shared, all<V>(T(own.parameters[0]))) {
        sweep.live = V{} == V{};
        sweep.forget();
        for (int axis = 0; axis < D; ++axis) sweep.ratio[axis] = all<V>(T(own.step / shared.spacing[axis]));
        sweep.drag = all<V>(T(drag(own.parameters, own.step)));
    }

    static size_t scratch_size(const Box& box) { return size_t(box.cells[0] + 2 * GHOSTS) * N; }

  public:
    static size_t memory(const Box& box) { return scratch_size(box) * sizeof(V) + 128; }

    // One axis for a whole step; with none, the rate of what is there.
    static void advance(const Box& box, Part& part, void* memory) {
        Lines lines(box, part, memory);
        part.limited = 0;
        if (part.axis < 0) lines.measure_all();
        else if (part.axis == 0) lines.along_x();
        else lines.across_x();
        part.rate = 0;
        part.good = true;
        for (int l = 0; l < L; ++l) {
            const double rate = double(lines.sweep.rate[l]);
            if (!(rate <= part.rate)) part.rate = rate;
            part.good = part.good && lines.sweep.good[l];
        }
    }

    // A sample by itself works in a copy of its own, apart from which there is nothing.
    static size_t alone_memory(const Box& box) { return memory(box) + size_t(Spread(box).variable) * N * sizeof(T) + 128; }

    static void alone(const Box& box, Member& member, void* memory) {
        Arena arena{static_cast<char*>(memory)};
        arena.take<V>(scratch_size(box));
        const Spread at(box);
        T* state = arena.take<T>(size_t(at.variable) * N);
        const T* source = static_cast<const T*>(member.state);
        T* target = static_cast<T*>(member.result);
        const size_t bytes = size_t(box.cells[0]) * sizeof(T);
        at.each_row([&](long there, long given) { __builtin_memcpy(state + there, source + given, bytes); });
        const double* own = member.parameters;
        march(box, member, {state, at.variable, {1, at.row, at.plane}, {own[0], own[1], own[2]}, 0, -1, true, 0, true, 0}, memory);
        at.each_row([&](long there, long given) { __builtin_memcpy(target + given, state + there, bytes); });
    }

  private:
    // Rows, planes and variables begin on a cache line and lie an odd number of them apart: a column, whatever the number of
    // cells, uses all of the cache, of which it would else meet itself in a few places, and no vector lies on two lines.
    struct Spread {
        const Box& box;
        long row, plane, variable;  // from each to the next, in numbers

        explicit Spread(const Box& shared) : box(shared) {
            row = apart(box.cells[0]);
            plane = apart(row * box.cells[1]);
            variable = apart(plane * box.cells[2]);
        }
        static long apart(long numbers) {
            constexpr long line = 64 / sizeof(T);
            return ((numbers + line - 1) / line | 1) * line;
        }
        template <class Act> void each_row(Act act) const {
            long given = 0;
            for (int v = 0; v < N; ++v) {
                for (int z = 0; z < box.cells[2]; ++z) {
                    for (int y = 0; y < box.cells[1]; ++y, given += box.cells[0]) act(v * variable + z * plane + y * row, given);
                }
            }
        }
    };

    static void march(const Box& box, Member& member, Part part, void* memory) {
        if (!(box.length > 0)) return;
        advance(box, part, memory);
        bool ends = false;
        double pending = 0;
        const auto go = [&](int axis, double length, bool last) {
            part.axis = axis, part.step = length, part.last = last;
            advance(box, part, memory);
            member.limited += part.limited;
        };
        for (long number = 0; number < box.max_steps && part.good && !ends; ++number) {
            const double step = next_step(box, member, T(part.rate), pending, ends);
            for (int i = 0; i < D; ++i) {
                const int axis = axis_of(D, number, i);
                go(axis, length_of(D, axis, step, pending), i == D - 1);
            }
            pending = left_of(D, step);
            member.steps += 1;
        }
        if (pending > 0 && part.good) go(0, pending, false);
    }

    T* at(int y, int z) const { return static_cast<T*>(part.state) + y * part.stride[1] + z * part.stride[2]; }

    // What the lines count in the lanes that are lines of their own.
    void count_limited(int lines) {
        for (int l = 0; l < lines; ++l) part.limited += long(sweep.limited[l]);
        sweep.limited = V{};
    }

    void measure_all() {
        for (int z = 0; z < box.cells[2]; ++z) {
            for (int y = 0; y < box.cells[1]; ++y) {
                for (int x = 0; x < box.cells[0]; x += L) {
                    V q[N];
                    abreast(0, at(y, z) + x, 0, rest(x)).again(0, q);
                    sweep.measure(q);
                }
            }
        }
    }

    Abreast<T, L, N> abreast(int axis, T* first, long stride, int count) const {
        Abreast<T, L, N> lines{{}, stride, count};
        for (int v = 0; v < N; ++v) lines.first[v] = first + sweep.variable(axis, v) * part.plane;
        return lines;
    }

    int rest(int x) const { return box.cells[0] - x < L ? box.cells[0] - x : L; }

    void across_x() {
        const int other = D == 3 ? 3 - part.axis : 2;
        for (int j = 0; j < box.cells[other]; ++j) {
            for (int x = 0; x < box.cells[0]; x += L) {
                T* first = static_cast<T*>(part.state) + j * part.stride[other] + x;
                sweep.line(abreast(part.axis, first, part.stride[part.axis], rest(x)), part.axis, part.last);
                count_limited(rest(x));
            }
        }
    }

    void along_x() {
        const long rows = long(box.cells[1]) * box.cells[2];
        const int low = box.sides[0][0] == Side::inner ? -GHOSTS : 0;
        const int high = box.cells[0] + (box.sides[0][1] == Side::inner ? GHOSTS : 0);
        V* const line = scratch + GHOSTS * N;
        Packed<V, N> cells{{}, N};
        for (int v = 0; v < N; ++v) cells.first[v] = line + v;
        for (long first = 0; first < rows; first += L) {
            const int count = int(rows - first < L ? rows - first : L);
            T* row[L];
            for (int l = 0; l < L; ++l) {
                const long r = first + (l < count ? l : count - 1);
                row[l] = at(int(r % box.cells[1]), int(r / box.cells[1]));
            }
            for (int x = low; x < high; x += L) {
                for (int v = 0; v < N; ++v) gather(row, v * part.plane + x, high - x, line + x * N + v);
            }
            sweep.line(cells, 0, part.last);
            count_limited(count);
            for (int x = 0; x < box.cells[0]; x += L) {
                for (int v = 0; v < N; ++v) scatter(row, v * part.plane + x, rest(x), line + x * N + v, count);
            }
        }
    }

    // L numbers of each row -> a vector of rows per number; `length` of them where fewer are left.
    void gather(T* const* row, long offset, int length, V* out) const {
        V tile[L];
        if (length >= L) {
            for (int l = 0; l < L; ++l) tile[l] = near<V>(row[l] + offset);
            transpose(tile);
            for (int i = 0; i < L; ++i) out[i * N] = tile[i];
            return;
        }
        for (int i = 0; i < length; ++i) {
            for (int l = 0; l < L; ++l) out[i * N][l] = row[l][offset + i];
        }
    }

    void scatter(T* const* row, long offset, int length, const V* in, int count) const {
        V tile[L];
        if (length == L) {
            for (int i = 0; i < L; ++i) tile[i] = in[i * N];
            transpose(tile);
            if (count == L) {
                for (int l = 0; l < L; ++l) put(row[l] + offset, tile[l]);
            } else {
                for (int l = 0; l < count; ++l) put(row[l] + offset, tile[l]);
            }
            return;
        }
        for (int i = 0; i < length; ++i) {
            for (int l = 0; l < count; ++l) row[l][offset + i] = in[i * N][l];
        }
    }
};

}  // namespace lanes::finite_volume::LANES_ISA
