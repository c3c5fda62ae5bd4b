// What a time step does to one Fourier coefficient.
//
// The stages of the integrating-factor Runge–Kutta step are those of solvers/spectral/ifrk4.py
// arranged so that `u` and one running `sum` are all that outlives a stage. With E = exp(ℒh/2), Nᵢ = 𝒩(uᵢ):
//     u₂ = E(u + h/2 N₁)      sum  = E²(u + h/6 N₁)
//     u₃ = E u + h/2 N₂       sum += E h/3 N₂
//     u₄ = E(E u + h N₃)      sum += E h/3 N₃
//     u  = sum + h/6 N₄
//
// Adams–Bashforth (solvers/spectral/ifab4.py) remembers Pⱼ = Eʲ² 𝒩 of j steps ago:
//     u  = E²(u + h/24 (55 N − 59 P₁ + 37 P₂ − 9 P₃))
#pragma once

#include "../vec.hpp"

namespace lanes::LANES_ISA {

template <class Real> struct Step {
    Real whole, half, third, sixth;  // of h, lane by lane
    Real weights[4];                 // of N, P₁, P₂, P₃
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

    LANES_INLINE Complex<Real> bashforth(Complex<Real>& u, Complex<Real> n, Complex<Real> p1, Complex<Real> p2,
                                         Complex<Real> p3, Real decay) const {
        const Complex<Real> slope = n * weights[0] + p1 * weights[1] + p2 * weights[2] + p3 * weights[3];
        u = select(live, (u + slope) * decay * decay, u);
        return u;
    }
};

}  // namespace lanes::LANES_ISA
