// What the instruction-set copies of the kernel and the rest of the extension say to each other: plain data only.
// No templates of the standard library here: compiled for AVX-512, one of them could end up serving every machine.
#pragma once

#include "../passes.hpp"

namespace lanes {

// A Fourier coefficient of the steady forcing, in the half plane kx ≥ 0. Mirror images are listed, too.
struct Wave {
    int ky, kx;
    double re, im;
};

// The mean gradient of a passive tracer.
struct Gradient {
    double x, y;
};

// What all members share: the box, its grid, the forcing, the mean velocity, the tracers, the scheme.
struct Flow {
    int ny, nx;
    double length_y, length_x;
    double mean_u, mean_v;
    const Wave* waves;
    int wave_count;
    Plans y, x;
    int hyper_power;  // p of −νₕ (−Δ)^p; below 2 there is none
    const Gradient* gradients;
    int tracers;
    bool bashforth;  // Adams–Bashforth steps after three Runge–Kutta ones, else Runge–Kutta throughout

    int largest_ky() const { return (ny - 1) / 3; }  // the 2/3 rule (Orszag 1971)
    int largest_kx() const { return (nx - 1) / 3; }
    int fields() const { return 1 + tracers; }
    int carried() const { return (tracers + 1) / 2; }  // tracers share complex transforms in pairs
    bool graded() const {
        for (int j = 0; j < tracers; ++j) {
            if (gradients[j].x != 0 || gradients[j].y != 0) return true;
        }
        return false;
    }
};

// One sample: states are `rfft2` arrays (fields, ny, nx/2 + 1) of true Fourier coefficients, vorticity first.
struct Member {
    const void* state;
    void* result;
    double viscosity, drag, hyperviscosity;
    const double* diffusivity;  // one per tracer
    double step;
    long steps;
    double peak_rate, last_rate;  // largest on the way; at the end
};

struct Kernel {
    Precision precision;
    bool across_lines;  // lanes are lines of one sample, else samples
    int lanes;
    size_t (*memory)(const Flow&);  // bytes of workspace; it must begin on a 64-byte boundary
    void (*advance)(const Flow&, Member*, int count, void* memory);
    void (*resume)(const Flow&, Member*, int count, void* memory);  // states still packed in `memory`
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
