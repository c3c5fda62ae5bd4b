#define LANES_ISA avx2
#define LANES_BYTES 32
#include "isa.hpp"

namespace lanes::family {
KernelList kernels_avx2() { return {"avx2", avx2::all, sizeof(avx2::all) / sizeof(Kernel)}; }
}  // namespace lanes::family
