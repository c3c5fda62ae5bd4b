#define LANES_ISA baseline
#define LANES_BYTES 16
#include "isa.hpp"

lanes::krylov::Sweeps lanes::krylov::sweeps_baseline() { return {"baseline", baseline::project, baseline::subtract}; }
