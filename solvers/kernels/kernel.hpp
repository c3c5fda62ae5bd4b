// What the instruction-set copies of the kernel and the rest of the extension say to each other: plain data only.
// No templates of the standard library here: compiled for AVX-512, one of them could end up serving every machine.
#pragma once

#include <stddef.h>

namespace lanes {

// One pass of a transform: `groups` × `blocks` butterflies of `radix`; see fft.hpp.
template <class T> struct Pass {
    int radix, groups, blocks;
    const T* roots;  // [group][radix - 1] pairs (cos, sin)
};

template <class T> struct Plan {
    int count;
    const Pass<T>* passes;
};

struct Plans {
    Plan<float> float32;
    Plan<double> float64;
};

// A Fourier coefficient of the steady forcing, in the half plane kx ≥ 0. Mirror images are listed, too.
struct Wave {
    int ky, kx;
    double re, im;
};

// What all members share: the box, its grid, the forcing, the mean velocity.
struct Flow {
    int ny, nx;
    double length_y, length_x;
    double mean_u, mean_v;
    const Wave* waves;
    int wave_count;
    Plans y, x;

    int largest_ky() const { return (ny - 1) / 3; }  // the 2/3 rule (Orszag 1971)
    int largest_kx() const { return (nx - 1) / 3; }
};

// One sample: states are `rfft2` arrays (ny, nx/2 + 1) of true Fourier coefficients.
struct Member {
    const void* state;
    void* result;
    double viscosity, drag, step;
    long steps;
    double peak_rate;
};

enum class Precision { float32, float64, mixed };

struct Kernel {
    Precision precision;
    bool across_lines;  // lanes are lines of one sample, else samples
    int lanes;
    size_t (*memory)(const Flow&);  // bytes of workspace; it must begin on a 64-byte boundary
    void (*advance)(const Flow&, Member*, int count, void* memory);
    void (*nonlinear)(const Flow&, Member*, int count, void* memory);
};

struct KernelList {
    const char* isa;
    const Kernel* first;
    int count;
};

KernelList kernels_baseline();
KernelList kernels_avx2();
KernelList kernels_avx512();

}  // namespace lanes
