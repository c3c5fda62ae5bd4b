#define LANES_ISA avx2
#define LANES_BYTES 32
#include "isa.hpp"

lanes::navier_stokes_3d::KernelList lanes::navier_stokes_3d::kernels_avx2() {
    return {"avx2", avx2::all, sizeof(avx2::all) / sizeof(Kernel)};
}
