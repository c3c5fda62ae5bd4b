// The stages of the two schemes on one Fourier coefficient, arranged so that `u` and few running values outlive a
// stage.
// E = exp(ℒh/2) and the other tables are real, or complex where ℒ is; Nᵢ = 𝒩(uᵢ).
#pragma once

#include "../vec.hpp"

namespace lanes::family::LANES_ISA {
using namespace lanes::LANES_ISA;

// What is the same for all modes, lane by lane.
template <class Real> struct Step {
    Real whole, half, third, sixth;  // of h
    Real live;                       // 0 for a lane that has taken all its steps
};

// spectral/ifrk4.py:
//     u₂ = E(u + h/2 N₁)      sum  = E²(u + h/6 N₁)
//     u₃ = E u + h/2 N₂       sum += E h/3 N₂
//     u₄ = E(E u + h N₃)      sum += E h/3 N₃
//     u  = sum + h/6 N₄
struct Ifrk4 {
    static constexpr int tables = 1;  // E
    static constexpr int running = 1;

    template <int Stage, class Real, class Factor>
    static LANES_INLINE Complex<Real> stage(const Step<Real>& step, const Factor* table, Complex<Real>& u,
                                            Complex<Real>* running, Complex<Real> n) {
        const Factor decay = table[0];
        Complex<Real>& sum = running[0];
        if constexpr (Stage == 1) {
            sum = (u + n * step.sixth) * decay * decay;
            return (u + n * step.half) * decay;
        } else if constexpr (Stage == 2) {
            sum = sum + n * step.third * decay;
            return u * decay + n * step.half;
        } else if constexpr (Stage == 3) {
            sum = sum + n * step.third * decay;
            return (u * decay + n * step.whole) * decay;
        } else {
            u = select(step.live, sum + n * step.sixth, u);
            return u;
        }
    }
};

// spectral/etdrk4.py, with tables E, q, f₁, 2f₂, f₃:
//     u₂ = E u + q N₁         sum  = E² u + f₁ N₁       rest = E u₂ − q N₁
//     u₃ = E u + q N₂         sum += 2f₂ N₂
//     u₄ = rest + 2 q N₃      sum += 2f₂ N₃
//     u  = sum + f₃ N₄
struct Etdrk4 {
    static constexpr int tables = 5;
    static constexpr int running = 2;

    template <int Stage, class Real, class Factor>
    static LANES_INLINE Complex<Real> stage(const Step<Real>& step, const Factor* table, Complex<Real>& u,
                                            Complex<Real>* running, Complex<Real> n) {
        const Factor decay = table[0], q = table[1];
        Complex<Real>&sum = running[0], &rest = running[1];
        if constexpr (Stage == 1) {
            const Complex<Real> decayed = u * decay, change = n * q, next = decayed + change;
            sum = decayed * decay + n * table[2];
            rest = next * decay - change;
            return next;
        } else if constexpr (Stage == 2) {
            sum = sum + n * table[3];
            return u * decay + n * q;
        } else if constexpr (Stage == 3) {
            const Complex<Real> change = n * q;
            sum = sum + n * table[3];
            return rest + change + change;
        } else {
            u = select(step.live, sum + n * table[4], u);
            return u;
        }
    }
};

}  // namespace lanes::family::LANES_ISA
