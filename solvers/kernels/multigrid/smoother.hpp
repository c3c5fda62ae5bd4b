// Red–black Gauss–Seidel and what goes with it, on rows split by parity.
#pragma once

#include "grid.hpp"

namespace lanes::multigrid::LANES_ISA {

// The coefficients of a level; ghost rows and values hold the faces on the far sides.
template <class S> struct Operator {
    Grid grid;
    const S* faces[3];
    const S* inverse;  // of the diagonal
};

// One colour of one row: its values, those at the other parity, and the coefficients, all from the row's first on.
template <class S> struct HalfRow {
    int count;
    size_t offset;                // of the first value
    const S *left, *right;        // faces
    size_t to_left, to_right;     // offsets of the neighbours
};

template <class S> LANES_INLINE HalfRow<S> half_row(const Grid& grid, const S* faces, size_t start, int parity) {
    const size_t even = start, odd = start + grid.half;
    if (parity == 0) return {grid.evens(), even, faces + even, faces + odd, odd - 1, odd};
    return {grid.odds(), odd, faces + odd, faces + even + 1, even, even + 1};
}

// Σ faces · neighbours of entry i.
template <int DIM, class S>
LANES_INLINE S pull(const HalfRow<S>& h, const Operator<S>& a, const S* x, int i) {
    const size_t row = a.grid.row, plane = a.grid.plane, at = h.offset + i;
    S sum = h.left[i] * x[h.to_left + i] + h.right[i] * x[h.to_right + i];
    if (DIM >= 2) sum += a.faces[1][at] * x[at - row] + a.faces[1][at + row] * x[at + row];
    if (DIM >= 3) sum += a.faces[0][at] * x[at - plane] + a.faces[0][at + plane] * x[at + plane];
    return sum;
}

template <class S, class Row> LANES_INLINE void each_row(const Grid& grid, Row row) {
    for (int z = 0; z < grid.size[0]; ++z) {
        for (int y = 0; y < grid.size[1]; ++y) row(grid.at(z, y), (z + y) & 1);
    }
}

// x at one colour (0: red, where the sum of the indices is even) such that the equations there hold.
template <int DIM, class S> void relax(const Operator<S>& a, const S* rhs, S* x, int colour) {
    const S* inverse = a.inverse;
    each_row<S>(a.grid, [&](size_t start, int parity) {
        const HalfRow<S> h = half_row(a.grid, a.faces[2], start, parity ^ colour);
        S* __restrict to = x + h.offset;
#pragma GCC ivdep
        for (int i = 0; i < h.count; ++i) {
            to[i] = (rhs[h.offset + i] + pull<DIM>(h, a, x, i)) * inverse[h.offset + i];
        }
    });
}

// The same for x = 0.
template <class S> void relax_from_zero(const Operator<S>& a, const S* rhs, S* x, int colour) {
    each_row<S>(a.grid, [&](size_t start, int parity) {
        const size_t half = start + ((parity ^ colour) ? a.grid.half : 0);
        const int count = (parity ^ colour) ? a.grid.odds() : a.grid.evens();
        for (int i = 0; i < count; ++i) x[half + i] = rhs[half + i] * a.inverse[half + i];
        const size_t other = start + ((parity ^ colour) ? 0 : a.grid.half);
        const int rest = (parity ^ colour) ? a.grid.evens() : a.grid.odds();
        for (int i = 0; i < rest; ++i) x[other + i] = 0;
    });
}

// What is left at one colour.
template <int DIM, class S> void residual(const Operator<S>& a, const S* rhs, const S* x, S* out, int colour) {
    each_row<S>(a.grid, [&](size_t start, int parity) {
        const HalfRow<S> h = half_row(a.grid, a.faces[2], start, parity ^ colour);
        S* __restrict to = out + h.offset;
        for (int i = 0; i < h.count; ++i) {
            const size_t at = h.offset + i;
            to[i] = rhs[at] + pull<DIM>(h, a, x, i) - x[at] / a.inverse[at];
        }
    });
}

// The same at the red unknowns after red was relaxed from zero and then black: all that black brought in.
template <int DIM, class S> void residual_of_red(const Operator<S>& a, const S* x, S* out) {
    each_row<S>(a.grid, [&](size_t start, int parity) {
        const HalfRow<S> h = half_row(a.grid, a.faces[2], start, parity);
        S* __restrict to = out + h.offset;
        for (int i = 0; i < h.count; ++i) to[i] = pull<DIM>(h, a, x, i);
    });
}

}  // namespace lanes::multigrid::LANES_ISA
