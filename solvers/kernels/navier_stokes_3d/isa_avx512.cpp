#define LANES_ISA avx512
#define LANES_BYTES 64
#include "isa.hpp"

lanes::navier_stokes_3d::KernelList lanes::navier_stokes_3d::kernels_avx512() {
    return {"avx512", avx512::all, sizeof(avx512::all) / sizeof(Kernel)};
}
