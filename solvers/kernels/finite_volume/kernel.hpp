// What the instruction-set copies of the kernel and the rest of the extension say to each other: plain data only.
// No templates of the standard library here: compiled for AVX-512, one of them could end up serving every machine.
#pragma once

#include <stddef.h>

namespace lanes::finite_volume {

enum class System { shallow_water, euler, advection, burgers };
enum class Side { periodic, outflow, reflecting, no_slip, inner };  // inner: a neighbour's cells lie beyond in memory
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
    bool rough, uneven, viscous;  // friction; a bed or a potential; a gas that rubs
    int stages;  // of a step; 0: one axis after the other
    double length, cfl;
    long max_steps;

    long count() const { return long(cells[0]) * cells[1] * cells[2]; }
};

// One sample: conserved averages, arrays (variable, z, y, x).
struct Member {
    const void* state;
    void* result;
    const void* height;  // of the bed, or the potential
    double parameters[3];  // gravity and roughness; the ratio of heat capacities, shear and bulk viscosity; the speed
    double time;  // reached; short of the interval where the state became unphysical
    long steps, limited;
};

// What the part of a box that lies here asks of the others; without functions it is the whole.
struct Neighbours {
    void* context;
    // Fills the ghosts along an axis of padded planes (variable, z, y, x), of which the first inner cell is given.
    void (*exchange)(void* context, void* first, int planes, const long* step, long plane, int axis);
    double (*largest)(void* context, double own);
};

// One sample in its own arrays, or the part of it that lies here, for a step of one axis.
struct Part {
    void* state;            // first cell
    long plane, stride[3];  // from variable to variable, and from cell to cell (x: 1), in numbers
    double parameters[3], step;
    int axis;  // −1: measure only
    bool last;    // of a step: friction acts, and what follows is found
    double rate;  // 1/Δt at Courant number one
    bool good;    // whether all is physical
    long limited;
};

struct Kernel {
    System system;
    int dimensions, lanes;
    bool single;
    size_t (*memory)(const Box&);  // bytes of workspace; it must begin on a 64-byte boundary
    void (*advance)(const Box&, Member*, int count, void* memory);
    size_t (*line_memory)(const Box&);
    void (*sweep)(const Box&, Part&, void* memory);
    size_t (*alone_memory)(const Box&);
    void (*alone)(const Box&, Member&, void* memory);  // as `advance` does it for one member, by sweeps
    size_t (*stage_memory)(const Box&);
    void (*stages)(const Box&, Member&, const Neighbours&, void* memory);  // null where no system has them
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
