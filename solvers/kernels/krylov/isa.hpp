// One sweep over the basis in blocks that stay in the first-level cache; compiled once per instruction set.
#pragma once

#include "../vec.hpp"
#include "sweeps.hpp"

namespace lanes::krylov::LANES_ISA {

using namespace lanes::LANES_ISA;

constexpr int width = LANES_BYTES / sizeof(double);
using Wide = Vector<double, width>;
typedef double Loose __attribute__((vector_size(LANES_BYTES), aligned(8), may_alias));

constexpr std::ptrdiff_t block = 128;  // numbers of each row at a time: 40 rows fill 40 kB

LANES_INLINE Wide load(const double* at) { return *reinterpret_cast<const Loose*>(at); }
LANES_INLINE void store(double* at, Wide value) { *reinterpret_cast<Loose*>(at) = value; }

// w -= part[0..R) . rows, for one block.
template <int R> LANES_INLINE void subtract_rows(const double* rows, std::ptrdiff_t stride, const double* part, double* w,
                                                 std::ptrdiff_t size) {
    std::ptrdiff_t i = 0;
    for (; i + width <= size; i += width) {
        Wide sum = load(w + i);
        for (int r = 0; r < R; ++r) sum -= load(rows + r * stride + i) * part[r];
        store(w + i, sum);
    }
    for (; i < size; ++i) {
        double sum = w[i];
        for (int r = 0; r < R; ++r) sum -= rows[r * stride + i] * part[r];
        w[i] = sum;
    }
}

// sums[0..R), a register each, += rows . w, for one block; numbers that fill no register go to the first lane.
template <int R> LANES_INLINE void project_rows(const double* rows, std::ptrdiff_t stride, const double* w,
                                                std::ptrdiff_t size, double* sums) {
    Wide sum[R];
    for (int r = 0; r < R; ++r) sum[r] = load(sums + r * width);
    std::ptrdiff_t i = 0;
    for (; i + width <= size; i += width) {
        const Wide value = load(w + i);
        for (int r = 0; r < R; ++r) sum[r] += load(rows + r * stride + i) * value;
    }
    for (int r = 0; r < R; ++r) store(sums + r * width, sum[r]);
    for (; i < size; ++i) {
        for (int r = 0; r < R; ++r) sums[r * width] += rows[r * stride + i] * w[i];
    }
}

LANES_INLINE void project_block(const Basis& basis, std::ptrdiff_t from, std::ptrdiff_t size, double* sums) {
    const double* rows = basis.rows + from;
    const double* w = basis.w + from;
    int r = 0;
    for (; r + 8 <= basis.count; r += 8) project_rows<8>(rows + r * basis.stride, basis.stride, w, size, sums + r * width);
    for (; r + 2 <= basis.count; r += 2) project_rows<2>(rows + r * basis.stride, basis.stride, w, size, sums + r * width);
    for (; r < basis.count; ++r) project_rows<1>(rows + r * basis.stride, basis.stride, w, size, sums + r * width);
    project_rows<1>(w, 0, w, size, sums + basis.count * width);
}

LANES_INLINE void subtract_block(const Basis& basis, std::ptrdiff_t from, std::ptrdiff_t size, const double* part) {
    const double* rows = basis.rows + from;
    double* w = basis.w + from;
    int r = 0;
    for (; r + 8 <= basis.count; r += 8) subtract_rows<8>(rows + r * basis.stride, basis.stride, part + r, w, size);
    for (; r + 2 <= basis.count; r += 2) subtract_rows<2>(rows + r * basis.stride, basis.stride, part + r, w, size);
    for (; r < basis.count; ++r) subtract_rows<1>(rows + r * basis.stride, basis.stride, part + r, w, size);
}

LANES_INLINE void clear(const Basis& basis, double* sums) {
    for (int i = 0; i < (basis.count + 1) * width; ++i) sums[i] = 0;
}

LANES_INLINE void gather(const Basis& basis, const double* sums, double* found) {
    for (int r = 0; r <= basis.count; ++r) {
        double sum = 0;
        for (int i = 0; i < width; ++i) sum += sums[r * width + i];
        found[r] = sum;
    }
}

inline void project(const Basis& basis, double* found, double* scratch) {
    clear(basis, scratch);
    for (std::ptrdiff_t from = 0; from < basis.n; from += block) {
        project_block(basis, from, basis.n - from < block ? basis.n - from : block, scratch);
    }
    gather(basis, scratch, found);
}

inline void subtract(const Basis& basis, const double* part, double* found, double* scratch) {
    clear(basis, scratch);
    for (std::ptrdiff_t from = 0; from < basis.n; from += block) {
        const std::ptrdiff_t size = basis.n - from < block ? basis.n - from : block;
        subtract_block(basis, from, size, part);
        project_block(basis, from, size, scratch);
    }
    gather(basis, scratch, found);
}

}  // namespace lanes::krylov::LANES_ISA
