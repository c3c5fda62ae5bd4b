// Real functions on lines of N = 2m points by complex transforms of m: even points real, odd points imaginary,
//     z[j] = u[2j] + i u[2j+1],      Z[k] = S + i w^k D,      S, D = X[k] ± conj X[m−k],      w = exp(2πi/N)
// (Cooley, Lewis & Welch 1970, J. Sound Vib. 12, 315). Modes above `top` are absent; the points come in scrambled order.
#pragma once

#include <math.h>

#include "../arena.hpp"
#include "../fft.hpp"
#include "kernel.hpp"

namespace lanes::family::LANES_ISA {
using namespace lanes::LANES_ISA;

inline const Plan<float>& plan_of(const Plans& plans, float) { return plans.float32; }
inline const Plan<double>& plan_of(const Plans& plans, double) { return plans.float64; }

template <class V> struct Direct {
    Complex<V>* line;
    LANES_INLINE void operator()(int i, Complex<V> value) const { line[i] = value; }
};

template <class V> LANES_INLINE Complex<V> conjugate(Complex<V> a) { return {a.re, -a.im}; }

// Modes of u, or of its derivative, as the packed transform reads them.
template <bool Slope, class V> struct Packed {
    using T = ScalarOf<V>;
    const Complex<V>* x;
    int top, half;
    T unit;  // 2π/L
    const T* root;

    LANES_INLINE Complex<V> mode(int k) const {
        if constexpr (Slope) return times_i<+1>(x[k] * (unit * T(k)));
        return x[k];
    }
    LANES_INLINE Complex<V> operator()(int k) const {
        if (k == 0) return Slope ? Complex<V>{} : Complex<V>{x[0].re, x[0].re};
        const bool here = k <= top, mirrored = half - k <= top;
        if (!here && !mirrored) return Complex<V>{};
        const Complex<V> a = here ? mode(k) : Complex<V>{}, b = mirrored ? conjugate(mode(half - k)) : Complex<V>{};
        return a + b + times_i<+1>(times_root<+1>(a - b, root[2 * k], root[2 * k + 1]));
    }
};

template <class V> class RealLine {
    using T = ScalarOf<V>;
    const int half, top;
    const T scale;  // of the way back, over two
    const T unit;   // 2π/L
    T* root;        // [k < m] (cos, sin)

  public:
    const Plan<T> plan;

    RealLine(const Equation& equation, Arena& arena)
        : half(equation.points[equation.fastest()] / 2), top(equation.top[equation.fastest()]),
          scale(T(0.5 / points_of(equation))), unit(T(2 * M_PI / equation.lengths[equation.fastest()])),
          root(arena.take<T>(2 * half)), plan(plan_of(equation.fast, T{})) {
        for (int k = 0; arena.base && k < half; ++k) {
            root[2 * k] = T(cos(M_PI * k / half));
            root[2 * k + 1] = T(sin(M_PI * k / half));
        }
    }

    // Modes 0 … top of u, or those of its derivative, -> the threshold of the innermost pass to `half` pairs of values.
    void go(const Complex<V>* x, bool slope, Complex<V>* z) const {
        if (slope) go_there<V>(plan, Packed<true, V>{x, top, half, unit, root}, z);
        else go_there<V>(plan, Packed<false, V>{x, top, half, unit, root}, z);
    }

    // From that threshold to modes 0 … top of x, divided by the number of points. Overwrites z.
    void come(Complex<V>* z, Complex<V>* x) const {
        come_back<V>(plan, z, Direct<V>{z});
        x[0] = {(z[0].re + z[0].im) * (2 * scale), V{}};
        for (int k = 1; 2 * k <= half && k <= top; ++k) {
            const Complex<V> a = z[k] * scale, b = conjugate(z[half - k]) * scale;
            const Complex<V> sum = a + b;
            const Complex<V> turned = times_root<-1>(times_i<-1>(a - b), root[2 * k], root[2 * k + 1]);
            x[k] = sum + turned;
            if (half - k <= top) x[half - k] = conjugate(sum - turned);
        }
    }

  private:
    static double points_of(const Equation& equation) {
        double count = 1;
        for (int axis = 0; axis < equation.dimensions; ++axis) count *= equation.points[axis];
        return count;
    }
};

}  // namespace lanes::family::LANES_ISA
