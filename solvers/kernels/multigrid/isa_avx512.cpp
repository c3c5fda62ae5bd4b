#define LANES_ISA avx512
#define LANES_BYTES 64
#include "isa.hpp"

lanes::multigrid::KernelList lanes::multigrid::kernels_avx512() { return {avx512::all, 2}; }
