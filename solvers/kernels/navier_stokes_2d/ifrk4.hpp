// The stages of the integrating-factor Runge–Kutta step on one Fourier coefficient, those of solvers/spectral/ifrk4.py
// arranged so that `u` and one running `sum` are all that outlives a stage. With E = exp(ℒh/2), Nᵢ = 𝒩(uᵢ):
//     u₂ = E(u + h/2 N₁)      sum  = E²(u + h/6 N₁)
//     u₃ = E u + h/2 N₂       sum += E h/3 N₂
//     u₄ = E(E u + h N₃)      sum += E h/3 N₃
//     u  = sum + h/6 N₄
#pragma once

#include "../vec.hpp"

namespace lanes::LANES_ISA {

template <class Real> struct Step {
    Real whole, half, third, sixth;  // of h, lane by lane
    Real live;                       // 0 for a lane that has taken all its steps

    // The argument of the next 𝒩.
    template <int Stage>
    LANES_INLINE Complex<Real> stage(Complex<Real>& u, Complex<Real>& sum, Complex<Real> n, Real decay) const {
        if constexpr (Stage == 1) {
            sum = (u + n * sixth) * decay * decay;
            return (u + n * half) * decay;
        } else if constexpr (Stage == 2) {
            sum = sum + n * third * decay;
            return u * decay + n * half;
        } else if constexpr (Stage == 3) {
            sum = sum + n * third * decay;
            return (u * decay + n * whole) * decay;
        } else {
            static_assert(Stage == 4, "there are four stages");
            u = select(live, sum + n * sixth, u);
            return u;
        }
    }
};

}  // namespace lanes::LANES_ISA
