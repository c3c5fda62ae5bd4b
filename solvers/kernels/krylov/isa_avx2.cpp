#define LANES_ISA avx2
#define LANES_BYTES 32
#include "isa.hpp"

lanes::krylov::Sweeps lanes::krylov::sweeps_avx2() { return {"avx2", avx2::project, avx2::subtract}; }
