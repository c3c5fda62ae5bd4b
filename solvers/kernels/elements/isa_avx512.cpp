#define LANES_ISA avx512
#define LANES_BYTES 64
#include "isa.hpp"

lanes::elements::Kernels lanes::elements::kernels_avx512() {
    return {"avx512", avx512::range, avx512::transport, avx512::courant, avx512::multiply, avx512::bicgstab};
}
