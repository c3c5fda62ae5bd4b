// The border between the instruction sets and the rest: plain data.
#pragma once

#include <cstddef>

namespace lanes::krylov {

// A vector w and the rows before it, each of n numbers, `stride` apart.
struct Basis {
    const double* rows;
    double* w;
    std::ptrdiff_t stride, n;
    int count;
};

struct Sweeps {
    const char* name;
    // found[i] = row i . w, and w . w behind them. `scratch`: count + 1 registers.
    void (*project)(const Basis&, double* found, double* scratch);
    // w -= sum of part[i] row i, and then what `project` finds, while the rows are still in the cache.
    void (*subtract)(const Basis&, const double* part, double* found, double* scratch);
};

constexpr int widest = 8;  // doubles in a register

Sweeps sweeps_baseline();
#ifdef __x86_64__
Sweeps sweeps_avx2();
Sweeps sweeps_avx512();
#endif

}  // namespace lanes::krylov
