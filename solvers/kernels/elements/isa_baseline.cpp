#define LANES_ISA baseline
#define LANES_BYTES 16
#include "isa.hpp"

lanes::elements::Kernels lanes::elements::kernels_baseline() {
    return {"baseline", baseline::range, baseline::transport, baseline::courant, baseline::multiply, baseline::bicgstab};
}
