// Real functions on lines of N = 2m points by complex transforms of m: even points real, odd points imaginary,
//     z[j] = u[2j] + i u[2j+1],      Z[k] = S + i w^k D,      S, D = X[k] ± conj X[m−k],      w = exp(2πi/N)
// (Cooley, Lewis & Welch 1970, J. Sound Vib. 12, 315). Modes above `top` are absent; the points come in scrambled
// order.
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
    const T unit;   // 2π/L
    T* root;        // [k < m] (cos, sin)

  public:
    const Plan<T> plan;
    const T scale;  // of the way back, over two

    RealLine(const Equation& equation, Arena& arena)
        : half(equation.points[equation.fastest()] / 2), top(equation.top[equation.fastest()]),
          unit(T(2 * M_PI / equation.lengths[equation.fastest()])), root(arena.take<T>(2 * half)),
          plan(plan_of(equation.fast, T{})), scale(T(0.5 / points_of(equation))) {
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

    // In one dimension a line goes from points to modes and on to points in one sweep. Two groups of the outermost
    // pass, p and m − p, hold whole pairs of modes k and half − k: `radix` places each, or one group that is its own
    // partner.
    int groups() const { return plan.passes->groups; }
    int radix() const { return plan.passes->radix; }
    int places(int p) const { return partner(p) == p ? radix() : 2 * radix(); }

    // Last pass back of the groups p and m − p of z, and first pass there.
    void receive(const Complex<V>* z, int p, Complex<V>* place) const {
        with_radix(radix(), [&](auto chosen) {
            last_groups<chosen.radix, V>(*plan.passes, z, stride(), p, partner(p), place);
        });
    }
    void send(const Complex<V>* place, int p, Complex<V>* z) const {
        with_radix(radix(), [&](auto chosen) {
            first_groups<chosen.radix, V>(*plan.passes, place, p, partner(p), z, stride());
        });
    }
    // From one block of the outermost pass to the next: a place more than a block holds, as the cache has little room
    // for what lies a power of two apart.
    int stride() const { return groups() + 1; }

    // Calls visit(k, its place, the place of half − k) for every pair but that of 0.
    template <class Visit> LANES_INLINE void each_pair(int p, Visit visit) const {
        const int R = radix(), first = p == 0;
        const bool alone = partner(p) == p;
        const int both = (alone ? R : 2 * R) - !first, last = alone ? both / 2 : R - 1;
        for (int j = first; j <= last; ++j) visit(p + j * groups(), j, both - j);
    }

    // Calls visit(k) for the modes 0 … top in the order in which a sweep over all p meets them.
    template <class Visit> void each_mode(Visit visit) const {
        visit(0);
        for (int p = 0; 2 * p <= groups(); ++p) {
            each_pair(p, [&](int k, int at, int mirror) {
                if (k <= top) visit(k);
                if (at != mirror && half - k <= top) visit(half - k);
            });
        }
    }

    // Z of k and half − k -> modes, times twice the number of points: x, x_mirror = S ∓ i w⁻ᵏ D, the latter conjugate.
    LANES_INLINE void unpack(int k, Complex<V> z, Complex<V> mirror, Complex<V>& x, Complex<V>& x_mirror) const {
        const Complex<V> sum = z + conjugate(mirror), apart = z - conjugate(mirror);
        const Complex<V> turned = times_root<-1>(apart, root[2 * k], root[2 * k + 1]);
        x = {sum.re + turned.im, sum.im - turned.re};
        x_mirror = {sum.re - turned.im, -sum.im - turned.re};
    }
    LANES_INLINE Complex<V> unpack_mean(Complex<V> z) const { return {(z.re + z.im) * T(2), V{}}; }

    // Modes k and half − k of u, or of its derivative -> Z.
    LANES_INLINE void pack(int k, bool slope, Complex<V> x, Complex<V> x_mirror, Complex<V>& z,
                           Complex<V>& mirror) const {
        const Complex<V> a = slope ? times_i<+1>(x * (unit * T(k))) : x;
        const Complex<V> b = conjugate(slope ? times_i<+1>(x_mirror * (unit * T(half - k))) : x_mirror);
        const Complex<V> sum = a + b, turned = times_root<+1>(a - b, root[2 * k], root[2 * k + 1]);
        z = {sum.re - turned.im, sum.im + turned.re};
        mirror = {sum.re + turned.im, turned.re - sum.im};
    }
    LANES_INLINE Complex<V> pack_mean(bool slope, Complex<V> x) const {
        return slope ? Complex<V>{} : Complex<V>{x.re, x.re};
    }

  private:
    int partner(int p) const { return p ? groups() - p : 0; }
    static double points_of(const Equation& equation) {
        double count = 1;
        for (int axis = 0; axis < equation.dimensions; ++axis) count *= equation.points[axis];
        return count;
    }
};

}  // namespace lanes::family::LANES_ISA
