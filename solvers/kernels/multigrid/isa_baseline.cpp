#define LANES_ISA baseline
#define LANES_BYTES 16
#include "isa.hpp"

lanes::multigrid::KernelList lanes::multigrid::kernels_baseline() { return {baseline::all, 2}; }
