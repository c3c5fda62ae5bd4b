#define LANES_ISA avx512
#define LANES_BYTES 64
#include "isa.hpp"

namespace lanes::family {
KernelList kernels_avx512() { return {"avx512", avx512::all, sizeof(avx512::all) / sizeof(Kernel)}; }
}  // namespace lanes::family
