#define LANES_ISA avx512
#define LANES_BYTES 64
#include "isa.hpp"

lanes::finite_volume::KernelList lanes::finite_volume::kernels_avx512() {
    return {"avx512", avx512::all_kernels, sizeof(avx512::all_kernels) / sizeof(Kernel)};
}
