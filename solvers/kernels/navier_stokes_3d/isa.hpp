// The kernels of one instruction set. An isa_*.cpp gives its name and the bytes of a register, and includes this.
#pragma once

#include "lines.hpp"
#include "planes.hpp"

namespace lanes::navier_stokes_3d::LANES_ISA {

template <class T, int L, class S> constexpr Kernel kernel(Precision precision) {
    return {precision,           L, Planes<T, L>::memory, Lines<T, L, S>::memory, Planes<T, L>::run,
            Lines<T, L, S>::run};
}

constexpr int floats = LANES_BYTES / sizeof(float), doubles = LANES_BYTES / sizeof(double);

constexpr Kernel all[] = {
    kernel<float, floats, float>(Precision::float32),
    kernel<double, doubles, double>(Precision::float64),
    kernel<float, floats, double>(Precision::mixed),
};

}  // namespace lanes::navier_stokes_3d::LANES_ISA
