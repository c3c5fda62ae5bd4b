// The kernels of one instruction set. An isa_*.cpp gives its name and the bytes of a register, and includes this.
#pragma once

#include "block.hpp"

namespace lanes::LANES_ISA {

template <class Layout, class S> constexpr Kernel kernel(Precision precision) {
    using B = Block<Layout, S>;
    return {precision, Layout::across_lines, Layout::lanes, B::memory, B::advance, B::resume, B::nonlinear};
}

constexpr int floats = LANES_BYTES / sizeof(float), doubles = LANES_BYTES / sizeof(double);

constexpr Kernel all[] = {
    kernel<SampleLanes<float, floats>, float>(Precision::float32),
    kernel<LineLanes<float, floats>, float>(Precision::float32),
    kernel<SampleLanes<double, doubles>, double>(Precision::float64),
    kernel<LineLanes<double, doubles>, double>(Precision::float64),
    kernel<SampleLanes<float, floats>, double>(Precision::mixed),
    kernel<LineLanes<float, floats>, double>(Precision::mixed),
};

}  // namespace lanes::LANES_ISA
