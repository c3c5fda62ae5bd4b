// The kernels of one instruction set. An isa_*.cpp gives its name and the bytes of a register, and includes this.
#pragma once

#include "block.hpp"

namespace lanes::family::LANES_ISA {

// The block for an equation's scheme and kind of ℒ, known at run time only.
template <class T, int L, class S, class Call> auto with_block(const Equation& equation, Call call) {
    if (equation.etdrk4) {
        if (equation.dispersive) return call(static_cast<Block<T, L, S, Etdrk4, true>*>(nullptr));
        return call(static_cast<Block<T, L, S, Etdrk4, false>*>(nullptr));
    }
    if (equation.dispersive) return call(static_cast<Block<T, L, S, Ifrk4, true>*>(nullptr));
    return call(static_cast<Block<T, L, S, Ifrk4, false>*>(nullptr));
}

template <class T, int L, class S> struct Functions {
    static size_t memory(const Equation& equation) {
        return with_block<T, L, S>(equation, [&](auto* block) { return block->memory(equation); });
    }
    static void advance(const Equation& equation, Member* members, int count, void* memory) {
        with_block<T, L, S>(equation, [&](auto* block) { block->advance(equation, members, count, memory); });
    }
    static void nonlinear(const Equation& equation, Member* members, int count, void* memory) {
        Block<T, L, S, Ifrk4, false>::nonlinear(equation, members, count, memory);
    }
};

template <class T, int L, class S> constexpr Kernel kernel(Precision precision) {
    using F = Functions<T, L, S>;
    return {precision, L, F::memory, F::advance, F::nonlinear};
}

constexpr int floats = LANES_BYTES / sizeof(float), doubles = LANES_BYTES / sizeof(double);

// Whole registers for most, and those of 16 bytes for few members or grids that would leave the caches; under a
// sanitizer, whose builds take long, the baseline alone has these.
constexpr Kernel all[] = {
    kernel<float, floats, float>(Precision::float32),
    kernel<double, doubles, double>(Precision::float64),
    kernel<float, floats, double>(Precision::mixed),
#if LANES_BYTES > 16 && !defined(__SANITIZE_ADDRESS__)
    kernel<float, 4, float>(Precision::float32),
    kernel<double, 2, double>(Precision::float64),
    kernel<float, 4, double>(Precision::mixed),
#endif
};

}  // namespace lanes::family::LANES_ISA
