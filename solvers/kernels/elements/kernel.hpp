// The border between the instruction sets and the rest: plain data.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lanes::elements {

// Cells of quadratic triangles: six unknowns each, and the gradients of their barycentric coordinates, [axis][cell][3].
struct Cells {
    const std::int32_t* unknowns;
    const double* slopes;
    std::ptrdiff_t count;
};

// Two components of one vector of unknowns.
struct Velocity {
    const double *x, *y;
};

// Compressed rows.
struct Matrix {
    const std::int32_t *starts, *columns;
    const double* values;
    std::ptrdiff_t rows, width;
};

struct Outcome {
    int iterations[2];   // each multiplies by the matrix twice
    double residual[2];  // |b - A x| / |b|, computed from x
};

struct Range {
    std::int32_t least, most;
};

struct Kernels {
    const char* name;
    // Of one number or more.
    Range (*range)(const std::int32_t* numbers, std::ptrdiff_t count);
    // values[places[cell][test][trial]] += the cell's matrix, sum over t of along[t] reference[t]; places < 0 are left out.
    void (*transport)(const Cells&, Velocity, const double* reference, const std::int32_t* places, double* values);
    // The greatest |u . slope| of all cells, unknowns and corners.
    double (*courant)(const Cells&, Velocity);
    // A x of one vector, or of two, one behind the other.
    void (*multiply)(const Matrix&, const double* x, int vectors, double* product);
    // x of A x = b for two b at once, one behind the other, in at most `limit` iterations of each. `memory`:
    // `needed(rows)` numbers.
    Outcome (*bicgstab)(const Matrix&, const double* b, double rtol, int limit, double* x, double* memory);
};

constexpr std::ptrdiff_t widest = 8;  // doubles in a register
constexpr std::ptrdiff_t padded(std::ptrdiff_t rows) { return (2 * rows + widest - 1) / widest * widest; }
constexpr std::ptrdiff_t needed(std::ptrdiff_t rows) { return 8 * padded(rows) + widest; }

Kernels kernels_baseline();
#ifdef __x86_64__
Kernels kernels_avx2();
Kernels kernels_avx512();
#endif

}  // namespace lanes::elements
