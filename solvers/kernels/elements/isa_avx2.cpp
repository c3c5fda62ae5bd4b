#define LANES_ISA avx2
#define LANES_BYTES 32
#include "isa.hpp"

lanes::elements::Kernels lanes::elements::kernels_avx2() {
    return {"avx2", avx2::range, avx2::transport, avx2::courant, avx2::multiply, avx2::bicgstab};
}
