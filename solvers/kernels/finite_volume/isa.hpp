// The kernels of one instruction set. An isa_*.cpp gives its name and the bytes of a register, and includes this.
#pragma once

#include "block.hpp"
#include "euler.hpp"
#include "lines.hpp"
#include "scalar.hpp"
#include "shallow_water.hpp"
#include "stages.hpp"

namespace lanes::finite_volume::LANES_ISA {

template <template <class, int> class Law, class T, int D> constexpr Kernel kernel(System system) {
    constexpr int lanes = LANES_BYTES / sizeof(T);
    using B = Block<Law, T, lanes, D>;
    using S = Lines<Law, T, lanes, D>;
    Kernel found{system, D, lanes, sizeof(T) == sizeof(float), B::memory, B::advance, S::memory, S::advance, S::alone_memory, S::alone, nullptr, nullptr};
    if constexpr (Law<Vector<T, lanes>, D>::has_velocity) {
        using R = Stages<Law, T, lanes, D>;
        found.stage_memory = R::memory;
        found.stages = R::advance;
    }
    return found;
}

constexpr Kernel all_kernels[] = {
    kernel<ShallowWater, float, 1>(System::shallow_water),  kernel<ShallowWater, float, 2>(System::shallow_water),
    kernel<ShallowWater, double, 1>(System::shallow_water), kernel<ShallowWater, double, 2>(System::shallow_water),
    kernel<Euler, float, 1>(System::euler),                 kernel<Euler, float, 2>(System::euler),
    kernel<Euler, float, 3>(System::euler),                 kernel<Euler, double, 1>(System::euler),
    kernel<Euler, double, 2>(System::euler),                kernel<Euler, double, 3>(System::euler),
    kernel<Advection, float, 1>(System::advection),         kernel<Advection, float, 2>(System::advection),
    kernel<Advection, double, 1>(System::advection),        kernel<Advection, double, 2>(System::advection),
    kernel<Burgers, float, 1>(System::burgers),             kernel<Burgers, float, 2>(System::burgers),
    kernel<Burgers, double, 1>(System::burgers),            kernel<Burgers, double, 2>(System::burgers),
};

}  // namespace lanes::finite_volume::LANES_ISA
