#define LANES_ISA baseline
#define LANES_BYTES 16
#include "isa.hpp"

namespace lanes::family {
KernelList kernels_baseline() { return {"baseline", baseline::all, sizeof(baseline::all) / sizeof(Kernel)}; }
}  // namespace lanes::family
