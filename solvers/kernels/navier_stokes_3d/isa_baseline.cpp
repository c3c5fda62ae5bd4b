#define LANES_ISA baseline
#define LANES_BYTES 16
#include "isa.hpp"

lanes::navier_stokes_3d::KernelList lanes::navier_stokes_3d::kernels_baseline() {
    return {"baseline", baseline::all, sizeof(baseline::all) / sizeof(Kernel)};
}
