// Planes of one sample, or of a rank's part of it: bare ones, and padded ones with two ghost cells beyond each side.
#pragma once

#include "../arena.hpp"
#include "kernel.hpp"

namespace lanes::finite_volume::LANES_ISA {

using namespace lanes::LANES_ISA;

// How planes lie: rows begin `pitch` numbers apart and hold more than a row's cells, so that vectors may run over its end.
template <class T, int L, int D> struct Planes {
    static constexpr int GHOSTS = 2;
    int cells[3];
    long step[3];  // from cell to cell along x, y, z
    long size;     // of a plane, in numbers
    int ghosts;

    static Planes bare(const Box& box) { return {box, (box.cells[0] + L - 1) / L * L, 0}; }
    static Planes padded(const Box& box) { return {box, (box.cells[0] + L - 1) / L * L + (L < 2 * GHOSTS ? 2 * GHOSTS : L), GHOSTS}; }
    static Planes between(const Box& box) {  // one per face along any axis
        Box wider = box;
        for (int axis = 0; axis < D; ++axis) wider.cells[axis] += 1;
        return bare(wider);
    }

    Planes(const Box& box, long pitch, int around) : cells{box.cells[0], box.cells[1], box.cells[2]}, step{1, pitch, pitch}, ghosts(around) {
        long rows = cells[1] + (D > 1 ? 2 * ghosts : 0);
        step[2] = pitch * rows;
        size = step[2] * (cells[2] + (D > 2 ? 2 * ghosts : 0));
    }

    // The first inner cell of a plane that begins at `base`.
    T* first(T* base) const {
        for (int axis = 0; axis < D; ++axis) base += ghosts * step[axis];
        return base;
    }
    long at(int y, int z) const { return y * step[1] + z * step[2]; }
    T* take(Arena& arena, int planes) const {
        T* base = arena.take<T>(size_t(size) * planes + 4 * L);
        return base ? first(base + L) : nullptr;
    }
};

// Ghost cells of one axis of a padded plane from its own cells; `sign` is that of what a wall turns round. Planes that
// are `flat` know no mirror: beyond a side that is not periodic lies `beyond`.
template <class T, int L, int D> struct Sides {
    const Box& box;
    const Planes<T, L, D>& planes;

    void fill(T* plane, int axis, const T* sign, const T* beyond) const {
        const int one = axis == 0 ? 1 : 0, two = axis == 2 ? 1 : 2, n = box.cells[axis];
        // All of the block, the ghosts of other axes included.
        const int a = one < D ? planes.ghosts : 0, b = two < D ? planes.ghosts : 0;
        const long step = planes.step[axis];
        for (int high = 0; high < 2; ++high) {
            const Side side = box.sides[axis][high];
            if (side == Side::inner) continue;
            for (int k = 0; k < planes.ghosts; ++k) {
                const int from = side == Side::outflow ? 0 : side == Side::periodic ? n - 1 - k : k;
                const T turn = side == Side::reflecting ? sign[0] : side == Side::no_slip ? sign[1] : T(1);
                for (int j = -b; j < box.cells[two] + b; ++j) {
                    T* row = plane + j * planes.step[two];
                    const T* source = row + (high ? n - 1 - from : from) * step;
                    T* target = row + (high ? n + k : -1 - k) * step;
                    const long stride = planes.step[one];
                    for (int i = -a; i < box.cells[one] + a; ++i) {
                        target[i * stride] = beyond && side != Side::periodic ? *beyond : turn * source[i * stride];
                    }
                }
            }
        }
    }
};

}  // namespace lanes::finite_volume::LANES_ISA
