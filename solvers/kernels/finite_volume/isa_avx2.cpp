#define LANES_ISA avx2
#define LANES_BYTES 32
#include "isa.hpp"

lanes::finite_volume::KernelList lanes::finite_volume::kernels_avx2() {
    return {"avx2", avx2::all_kernels, sizeof(avx2::all_kernels) / sizeof(Kernel)};
}
