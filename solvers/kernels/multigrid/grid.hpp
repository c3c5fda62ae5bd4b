// Arrays over a structured grid whose rows are split by parity: values at even x first, those at odd x behind them.
// The red and the black unknowns of a row are then contiguous, and so are the two partners of every pair along x.
#pragma once

#include <stddef.h>

#include "../vec.hpp"
#include "kernel.hpp"

namespace lanes::multigrid::LANES_ISA {

// Ghost rows and planes lie around the grid, ghost values beside each half row: 0 beyond a wall, copies where it wraps.
struct Grid {
    int dim = 0;
    int size[3] = {1, 1, 1};
    bool wraps[3] = {false, false, false};
    int half = 0;          // stride between the two halves of a row
    size_t row = 0, plane = 0, total = 0;

    Grid() = default;
    Grid(int dim, const int* sizes, const bool* wrapping) : dim(dim) {
        for (int a = 0; a < 3; ++a) size[a] = sizes[a], wraps[a] = wrapping[a];
        half = ((size[2] + 1) / 2 + 2 + 7) / 8 * 8;
        row = 2 * size_t(half);
        plane = row * (size[1] + 2);
        // One row more in front and behind, so that entry −1 of the first half row exists.
        total = plane * (dim == 3 ? size[0] + 2 : 1) + 2 * row;
    }

    int evens() const { return (size[2] + 1) / 2; }
    int odds() const { return size[2] / 2; }
    int count() const { return size[0] * size[1] * size[2]; }
    size_t at(int z, int y) const { return row + (dim == 3 ? z + 1 : 0) * plane + (y + 1) * row; }
    unsigned long key() const {
        const unsigned long sides = wraps[0] + 2 * wraps[1] + 4 * wraps[2];
        return ((((unsigned long)(size[0]) * 100003u + size[1]) * 100003u + size[2]) * 4 + dim) * 8 + sides;
    }
    // Whether two unknowns of one colour are neighbours somewhere, across an odd periodic side.
    bool seam() const {
        for (int a = 0; a < 3; ++a) {
            if (wraps[a] && size[a] % 2) return true;
        }
        return false;
    }
};

// What an array is for: its ghosts are filled in its own way, so it is not handed on for another role.
enum Role { solution, right_side, faces_of, shares };

template <class S> S* new_array(const Grid& grid, Memory memory, Role role) {
    return static_cast<S*>(memory.take(memory.owner, grid.total * sizeof(S), (grid.key() * 4 + role) * 2 + (sizeof(S) == 4)));
}

// A natural row (n values) to a split one and back.
template <class From, class To> LANES_INLINE void split(const From* from, To* to, int n, int half) {
    const int pairs = n / 2;
    To* odd = to + half;
    for (int i = 0; i < pairs; ++i) {
        to[i] = To(from[2 * i]);
        odd[i] = To(from[2 * i + 1]);
    }
    if (n % 2) to[pairs] = To(from[n - 1]);
}

template <class From, class To> LANES_INLINE void unsplit(const From* from, To* to, int n, int half) {
    const int pairs = n / 2;
    const From* odd = from + half;
    for (int i = 0; i < pairs; ++i) {
        to[2 * i] = To(from[i]);
        to[2 * i + 1] = To(odd[i]);
    }
    if (n % 2) to[n - 1] = To(from[pairs]);
}

// C-order values of the unknowns to the split layout; `longer` marks the axis along which there is one more (faces).
template <class From, class To> void pack(const Grid& grid, const From* from, To* to, int longer = -1) {
    const int nz = grid.size[0] + (longer == 0), ny = grid.size[1] + (longer == 1), nx = grid.size[2] + (longer == 2);
    for (int z = 0; z < nz; ++z) {
        for (int y = 0; y < ny; ++y) split(from + (size_t(z) * ny + y) * nx, to + grid.at(z, y), nx, grid.half);
    }
}

template <class From, class To> void unpack(const Grid& grid, const From* from, To* to) {
    const int ny = grid.size[1], nx = grid.size[2];
    for (int z = 0; z < grid.size[0]; ++z) {
        for (int y = 0; y < ny; ++y) unsplit(from + grid.at(z, y), to + (size_t(z) * ny + y) * nx, nx, grid.half);
    }
}

// Ghosts of wrapping axes brought up to date.
template <class S> void refresh(const Grid& grid, S* x) {
    const int nz = grid.size[0], ny = grid.size[1], nx = grid.size[2];
    const auto copy = [](const S* from, S* to, size_t count) {
        for (size_t i = 0; i < count; ++i) to[i] = from[i];
    };
    if (grid.wraps[2]) {
        for (int z = 0; z < nz; ++z) {
            for (int y = 0; y < ny; ++y) {
                S *even = x + grid.at(z, y), *odd = even + grid.half;
                odd[-1] = nx % 2 ? even[nx / 2] : odd[nx / 2 - 1];
                (nx % 2 ? odd : even)[nx / 2] = even[0];
            }
        }
    }
    if (grid.dim >= 2 && grid.wraps[1]) {
        for (int z = 0; z < nz; ++z) {
            copy(x + grid.at(z, ny - 1), x + grid.at(z, -1), grid.row);
            copy(x + grid.at(z, 0), x + grid.at(z, ny), grid.row);
        }
    }
    if (grid.dim == 3 && grid.wraps[0]) {
        copy(x + grid.at(nz - 1, -1), x + grid.at(-1, -1), grid.plane);
        copy(x + grid.at(0, -1), x + grid.at(nz, -1), grid.plane);
    }
}

}  // namespace lanes::multigrid::LANES_ISA
