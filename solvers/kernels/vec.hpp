// Vectors of lanes, complex numbers of vectors, and the few operations on them that C++ lacks.
// Plain GCC/clang vector extensions: the same source makes AVX-512, AVX2, SSE2 and NEON.
#pragma once

#include <type_traits>

// Everything below is compiled once per instruction set; each copy needs its own names (see dispatch in README.md).
#ifndef LANES_ISA
#error "compile one of the isa_*.cpp files"
#endif

#define LANES_INLINE inline __attribute__((always_inline))

namespace lanes::LANES_ISA {

template <class T, int L> struct VectorOf {
    typedef T type __attribute__((vector_size(L * sizeof(T))));
};
template <class T, int L> using Vector = typename VectorOf<T, L>::type;

template <class V> struct ScalarIn {
    using type = std::decay_t<decltype(V{}[0])>;
};
template <class V> using ScalarOf = typename ScalarIn<V>::type;

// Two registers that act as one: the float64 lanes that go with twice as wide float32 lanes.
template <class V> struct Twin {
    V low, high;
};
template <class V> LANES_INLINE Twin<V> operator+(Twin<V> a, Twin<V> b) { return {a.low + b.low, a.high + b.high}; }
template <class V> LANES_INLINE Twin<V> operator-(Twin<V> a, Twin<V> b) { return {a.low - b.low, a.high - b.high}; }
template <class V> LANES_INLINE Twin<V> operator*(Twin<V> a, Twin<V> b) { return {a.low * b.low, a.high * b.high}; }
template <class V, class T> LANES_INLINE Twin<V> operator*(Twin<V> a, T b) { return {a.low * b, a.high * b}; }

// Copied part by part: as an aggregate it would go through the stack, 16 bytes at a time, wherever GCC unrolls late.
template <class V> struct Complex {
    V re, im;

    Complex() = default;
    LANES_INLINE Complex(V re, V im) : re(re), im(im) {}
    LANES_INLINE Complex(const Complex& other) : re(other.re), im(other.im) {}
    LANES_INLINE Complex& operator=(const Complex& other) {
        re = other.re;
        im = other.im;
        return *this;
    }
};
template <class V> LANES_INLINE Complex<V> operator+(Complex<V> a, Complex<V> b) { return {a.re + b.re, a.im + b.im}; }
template <class V> LANES_INLINE Complex<V> operator-(Complex<V> a, Complex<V> b) { return {a.re - b.re, a.im - b.im}; }
template <class V, class Real> LANES_INLINE Complex<V> operator*(Complex<V> a, Real b) { return {a.re * b, a.im * b}; }
template <class V> LANES_INLINE Complex<V> operator*(Complex<V> a, Complex<V> b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

// a where `flag` is not zero, else b: bit for bit, so that a NaN in the lane not chosen stays out.
template <class V> LANES_INLINE V select(V flag, V a, V b) { return flag != 0 ? a : b; }
template <class V> LANES_INLINE Twin<V> select(Twin<V> flag, Twin<V> a, Twin<V> b) {
    return {select(flag.low, a.low, b.low), select(flag.high, a.high, b.high)};
}
template <class V> LANES_INLINE Complex<V> select(V flag, Complex<V> a, Complex<V> b) {
    return {select(flag, a.re, b.re), select(flag, a.im, b.im)};
}

template <class V> LANES_INLINE V absolute(V a) { return a < 0 ? -a : a; }
template <class V> LANES_INLINE V larger(V a, V b) { return a > b ? a : b; }  // b where a is NaN
template <class V> LANES_INLINE V smaller(V a, V b) { return a < b ? a : b; }

template <int... I> struct Indices {};
template <int N, int... I> struct IndicesUpTo : IndicesUpTo<N - 1, N - 1, I...> {};
template <int... I> struct IndicesUpTo<0, I...> {
    using type = Indices<I...>;
};

template <class Half, int Which, class V, int... I> LANES_INLINE Half half(V a, Indices<I...>) {
    return __builtin_shufflevector(a, a, (Which * int(sizeof...(I)) + I)...);
}
template <class Half, int Which, class V> LANES_INLINE Half half(V a) {
    return half<Half, Which>(a, typename IndicesUpTo<sizeof(Half) / sizeof(float)>::type{});
}
template <class V, class Half, int... I> LANES_INLINE V join(Half low, Half high, Indices<I...>) {
    return __builtin_shufflevector(low, high, I...);
}
template <class V, class Half> LANES_INLINE V join(Half low, Half high) {
    return join<V>(low, high, typename IndicesUpTo<sizeof(V) / sizeof(float)>::type{});
}

// Between the precision of the state and that of the right-hand side; the same bits where they are one.
template <class To, class V> LANES_INLINE To convert(V a) {
    if constexpr (std::is_same_v<To, V>) {
        return a;
    } else if constexpr (sizeof(To) < sizeof(V)) {  // two registers of float64 -> one of float32
        using Half = Vector<float, sizeof(a.low) / sizeof(double)>;
        return join<To>(__builtin_convertvector(a.low, Half), __builtin_convertvector(a.high, Half));
    } else {
        using Wide = decltype(To::low);
        using Half = Vector<float, sizeof(Wide) / sizeof(double)>;
        return {__builtin_convertvector(half<Half, 0>(a), Wide), __builtin_convertvector(half<Half, 1>(a), Wide)};
    }
}
template <class To, class V> LANES_INLINE Complex<To> convert(Complex<V> a) {
    return {convert<To>(a.re), convert<To>(a.im)};
}

// One lane of a vector in memory; a plain number has one for all.
template <class T, class V> LANES_INLINE T& lane(V& vector, int i) {
    return reinterpret_cast<T*>(&vector)[sizeof(V) == sizeof(T) ? 0 : i];
}

}  // namespace lanes::LANES_ISA
