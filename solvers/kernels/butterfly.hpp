// The small discrete Fourier transforms that the passes of fft.hpp are made of.
// Sign is that of the exponent: X[k] = Σ x[j] exp(Sign 2πi jk/R), not normalised, in place.
#pragma once

#include "vec.hpp"

namespace lanes::LANES_ISA {

template <int Sign, class V> LANES_INLINE Complex<V> times_i(Complex<V> a) {
    if constexpr (Sign > 0) return {-a.im, a.re};
    return {a.im, -a.re};
}

template <int Sign, class V, class T> LANES_INLINE Complex<V> times_root(Complex<V> a, T cosine, T sine) {
    if constexpr (Sign > 0) return {a.re * cosine - a.im * sine, a.re * sine + a.im * cosine};
    return {a.re * cosine + a.im * sine, a.im * cosine - a.re * sine};
}

template <int Sign, class V> LANES_INLINE void butterfly4(Complex<V>& a, Complex<V>& b, Complex<V>& c, Complex<V>& d) {
    const Complex<V> sum = a + c, difference = a - c, others = b + d, turned = times_i<Sign>(b - d);
    a = sum + others;
    b = difference + turned;
    c = sum - others;
    d = difference - turned;
}

template <int Radix, int Sign, class V> LANES_INLINE void butterfly(Complex<V>* a) {
    using T = ScalarOf<V>;
    if constexpr (Radix == 2) {
        const Complex<V> difference = a[0] - a[1];
        a[0] = a[0] + a[1];
        a[1] = difference;
    } else if constexpr (Radix == 3) {
        const Complex<V> sum = a[1] + a[2];
        const Complex<V> turned = times_i<Sign>((a[1] - a[2]) * T(0.86602540378443864676));  // sin 60°
        const Complex<V> middle = a[0] - sum * T(0.5);
        a[0] = a[0] + sum;
        a[1] = middle + turned;
        a[2] = middle - turned;
    } else if constexpr (Radix == 4) {
        butterfly4<Sign>(a[0], a[1], a[2], a[3]);
    } else if constexpr (Radix == 5) {
        const T c1 = T(0.30901699437494742410), s1 = T(0.95105651629515357212);   // 72°
        const T c2 = T(-0.80901699437494742410), s2 = T(0.58778525229247312917);  // 144°
        const Complex<V> sum1 = a[1] + a[4], sum2 = a[2] + a[3];
        const Complex<V> odd1 = times_i<Sign>(a[1] - a[4]), odd2 = times_i<Sign>(a[2] - a[3]);
        const Complex<V> even1 = a[0] + sum1 * c1 + sum2 * c2, even2 = a[0] + sum1 * c2 + sum2 * c1;
        const Complex<V> turn1 = odd1 * s1 + odd2 * s2, turn2 = odd1 * s2 - odd2 * s1;
        a[0] = a[0] + sum1 + sum2;
        a[1] = even1 + turn1;
        a[2] = even2 + turn2;
        a[3] = even2 - turn2;
        a[4] = even1 - turn1;
    } else if constexpr (Radix == 8) {
        butterfly4<Sign>(a[0], a[2], a[4], a[6]);
        butterfly4<Sign>(a[1], a[3], a[5], a[7]);
        const T diagonal = T(0.70710678118654752440);  // cos 45° = sin 45°
        const Complex<V> odd1 = (a[3] + times_i<Sign>(a[3])) * diagonal;
        const Complex<V> odd2 = times_i<Sign>(a[5]);
        const Complex<V> odd3 = (times_i<Sign>(a[7]) - a[7]) * diagonal;
        const Complex<V> even0 = a[0], even1 = a[2], even2 = a[4], even3 = a[6], odd0 = a[1];
        a[0] = even0 + odd0;
        a[1] = even1 + odd1;
        a[2] = even2 + odd2;
        a[3] = even3 + odd3;
        a[4] = even0 - odd0;
        a[5] = even1 - odd1;
        a[6] = even2 - odd2;
        a[7] = even3 - odd3;
    } else {
        static_assert(Radix == 2, "no butterfly of this radix");
    }
}

}  // namespace lanes::LANES_ISA
