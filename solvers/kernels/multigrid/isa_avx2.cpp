#define LANES_ISA avx2
#define LANES_BYTES 32
#include "isa.hpp"

lanes::multigrid::KernelList lanes::multigrid::kernels_avx2() { return {avx2::all, 2}; }
