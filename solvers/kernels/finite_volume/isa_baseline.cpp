#define LANES_ISA baseline
#define LANES_BYTES 16
#include "isa.hpp"

lanes::finite_volume::KernelList lanes::finite_volume::kernels_baseline() {
    return {"baseline", baseline::all_kernels, sizeof(baseline::all_kernels) / sizeof(Kernel)};
}
