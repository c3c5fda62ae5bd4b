// What the instruction-set copies of the kernel and the rest of the extension say to each other: plain data only.
// No templates of the standard library here: compiled for AVX-512, one of them could end up serving every machine.
#pragma once

#include "../passes.hpp"

namespace lanes::navier_stokes_3d {

// Axes are ordered z, y, x.
struct Box {
    int points[3];
    double lengths[3];
    Plans plans[3];

    int largest(int axis) const { return (points[axis] - 1) / 3; }  // the 2/3 rule (Orszag 1971)
    int rows(int axis) const { return 2 * largest(axis) + 1; }      // kept modes of both signs: 0 … K, −K … −1
    int modes() const { return largest(2) + 1; }                    // kx ≥ 0
    static int number(int row, int largest) { return row <= largest ? row : row - 2 * largest - 1; }
};

// What one rank holds: some planes z of the grid, and some rows ky of the modes.
// Grid buffers are [slab][own plane][slot][row of the slab][kx], so that a slab is one message; line buffers are
// [plane][slot][own row][kx]. One rank has one slab, and both are the same.
struct Share {
    int planes;            // how many are its own
    int slabs, own;        // ranks, and which of them this is
    const int* first_row;  // (slabs + 1,)

    int rows(int slab) const { return first_row[slab + 1] - first_row[slab]; }
};

// Planes first … last − 1: velocities (3 slots) to products (5 slots). `rate` may be null.
struct PlaneJob {
    const void* velocity;
    void* products;
    int first, last;
    double* rate;
};

enum Stage { begin = 0, last_stage = 4, collect = 5 };

// Own rows first … last − 1: products to 𝒩, the Runge–Kutta stage 1 … 4, and the next stage's velocities.
// `begin` takes the velocities of `state`; `collect` puts 𝒩 into `sum`.
struct LineJob {
    void* velocity;
    const void* products;
    void *state, *sum;  // [own row][block][kz][component][re im][lane]
    int stage, first, last;
    bool onward;
    double viscosity, step;
};

struct Kernel {
    Precision precision;
    int lanes;
    size_t (*plane_memory)(const Box&);  // bytes of workspace; it must begin on a 64-byte boundary
    size_t (*line_memory)(const Box&);
    void (*planes)(const Box&, const Share&, const PlaneJob&, void* memory);
    void (*lines)(const Box&, const Share&, const LineJob&, void* memory);
};

struct KernelList {
    const char* isa;
    const Kernel* first;
    int count;
};

KernelList kernels_baseline();
KernelList kernels_avx2();
KernelList kernels_avx512();

}  // namespace lanes::navier_stokes_3d
