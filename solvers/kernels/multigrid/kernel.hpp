// What the instruction-set copies of the kernel and the rest of the extension say to each other: plain data only.
// No templates of the standard library here: compiled for AVX-512, one of them could end up serving every machine.
#pragma once

#include <stddef.h>

namespace lanes::multigrid {

// A flux form (solvers/krylov/flux.py); axes are z, y, x, and the first ones are missing in fewer dimensions.
struct Form {
    int dim;
    int size[3];               // 1 for a missing axis
    bool wraps[3];
    const double* faces[3];    // size + 1 along its own axis, C order; null for a missing axis
    const double* shift;       // one per unknown
    bool singular;
};

// Where memory comes from: zeroed when it is new or when `key` differs from the block's last.
struct Memory {
    void* owner;
    void* (*take)(void* owner, size_t bytes, unsigned long key);
};

struct Outcome {
    int iterations;
    double residual;  // ‖b − A x‖ / ‖b‖, computed from x
    bool breakdown;   // a direction or the preconditioner was found not to be positive
};

struct Kernel {
    const char* isa;
    bool single;  // the cycle in float32, conjugate gradients in float64 around it
    void* (*build)(const Form&, Memory);
    Outcome (*solve)(void* solver, const double* rhs, double* x, double tolerance, int limit);  // x: guess in, solution out
    void (*cycle)(void* solver, const double* rhs, double* x);
    int (*levels)(const void* solver);
};

struct KernelList {
    const Kernel* first;
    int count;
};

KernelList kernels_baseline();
KernelList kernels_avx2();
KernelList kernels_avx512();

}  // namespace lanes::multigrid
