#define LANES_ISA avx512
#define LANES_BYTES 64
#include "isa.hpp"

lanes::krylov::Sweeps lanes::krylov::sweeps_avx512() { return {"avx512", avx512::project, avx512::subtract}; }
