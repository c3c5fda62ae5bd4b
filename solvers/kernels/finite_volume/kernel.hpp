// What the instruction-set copies of the kernel and the rest of the extension say to each other: plain data only.
// No templates of the standard library here: compiled for AVX-512, one of them could end up serving every machine.
#pragma once

#include <stddef.h>

namespace lanes::finite_volume {

enum class System { shallow_water, euler };
enum class Side { periodic, outflow, reflecting, no_slip };
enum class Limiter { none, minmod, van_leer, mc };
enum class Flux { rusanov, hll, hllc };

// What all members share. Axes: 0 is x, the fastest one of the arrays.
struct Box {
    int cells[3];
    double spacing[3];
    Side sides[3][2];
    Limiter limiter;
    Flux flux;
    double dry;  // depth below which water stands still
    double length, cfl;
    long max_steps;

    long count() const { return long(cells[0]) * cells[1] * cells[2]; }
};

// One sample: conserved averages, arrays (variable, z, y, x).
struct Member {
    const void* state;
    void* result;
    double parameter;  // gravity, or the ratio of heat capacities
    double time;       // reached; short of the interval where the state became unphysical
    long steps, limited;
};

struct Kernel {
    System system;
    int dimensions, lanes;
    bool single;
    size_t (*memory)(const Box&);  // bytes of workspace; it must begin on a 64-byte boundary
    void (*advance)(const Box&, Member*, int count, void* memory);
};

struct KernelList {
    const char* isa;
    const Kernel* first;
    int count;
};

KernelList kernels_baseline();
KernelList kernels_avx2();
KernelList kernels_avx512();

}  // namespace lanes::finite_volume
