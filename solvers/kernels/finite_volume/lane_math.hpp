// What vectors of lanes lack for flow: roots, extremes, masks, limiters.
#pragma once

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "../vec.hpp"
#include "kernel.hpp"

namespace lanes::finite_volume::LANES_ISA {

using namespace lanes::LANES_ISA;

template <class V> struct Lanes {
    using Scalar = ScalarOf<V>;
    static constexpr int count = sizeof(V) / sizeof(Scalar);
};

// A vector that lies anywhere.
template <class V, class T> LANES_INLINE V near(const T* from) {
    V out;
    __builtin_memcpy(&out, from, sizeof(V));
    return out;
}
template <class V, class T> LANES_INLINE void put(T* to, V value) { __builtin_memcpy(to, &value, sizeof(V)); }

template <class V> LANES_INLINE V all(ScalarOf<V> value) { return V{} + value; }

// Of a NaN and a number both are the second argument, as the instruction has it. (The masks keep all lanes; without them
// GCC 12 warns of what its own header leaves undefined.)
template <class V> LANES_INLINE V smaller(V a, V b) {
#if LANES_BYTES == 64
    if constexpr (sizeof(ScalarOf<V>) == 4) return V(_mm512_mask_min_ps(__m512(a), 0xffff, __m512(a), __m512(b)));
    else return V(_mm512_mask_min_pd(__m512d(a), 0xff, __m512d(a), __m512d(b)));
#elif LANES_BYTES == 32
    if constexpr (sizeof(ScalarOf<V>) == 4) return V(_mm256_min_ps(__m256(a), __m256(b)));
    else return V(_mm256_min_pd(__m256d(a), __m256d(b)));
#else
    return a < b ? a : b;
#endif
}

template <class V> LANES_INLINE V greater(V a, V b) {
#if LANES_BYTES == 64
    if constexpr (sizeof(ScalarOf<V>) == 4) return V(_mm512_mask_max_ps(__m512(a), 0xffff, __m512(a), __m512(b)));
    else return V(_mm512_mask_max_pd(__m512d(a), 0xff, __m512d(a), __m512d(b)));
#elif LANES_BYTES == 32
    if constexpr (sizeof(ScalarOf<V>) == 4) return V(_mm256_max_ps(__m256(a), __m256(b)));
    else return V(_mm256_max_pd(__m256d(a), __m256d(b)));
#else
    return a > b ? a : b;
#endif
}

template <class V> LANES_INLINE V root(V a) {
#if LANES_BYTES == 64
    if constexpr (sizeof(ScalarOf<V>) == 4) return V(_mm512_mask_sqrt_ps(__m512(a), 0xffff, __m512(a)));
    else return V(_mm512_mask_sqrt_pd(__m512d(a), 0xff, __m512d(a)));
#elif LANES_BYTES == 32
    if constexpr (sizeof(ScalarOf<V>) == 4) return V(_mm256_sqrt_ps(__m256(a)));
    else return V(_mm256_sqrt_pd(__m256d(a)));
#else
    V out;
    for (int i = 0; i < Lanes<V>::count; ++i) out[i] = ScalarOf<V>(__builtin_sqrt(a[i]));
    return out;
#endif
}

// a b + c, rounded once where the processor can. Of a sum of two products the compiler would fuse now the one and now the
// other, and of a product that a branch parts from its sum none; this says which, so that all layouts of lanes have the
// same bits.
template <class V> LANES_INLINE V fused(V a, V b, V c) {
#if LANES_BYTES == 64
    if constexpr (sizeof(ScalarOf<V>) == 4) return V(_mm512_fmadd_ps(__m512(a), __m512(b), __m512(c)));
    else return V(_mm512_fmadd_pd(__m512d(a), __m512d(b), __m512d(c)));
#elif LANES_BYTES == 32
    if constexpr (sizeof(ScalarOf<V>) == 4) return V(_mm256_fmadd_ps(__m256(a), __m256(b), __m256(c)));
    else return V(_mm256_fmadd_pd(__m256d(a), __m256d(b), __m256d(c)));
#else
    return a * b + c;
#endif
}

// a − b by the units that multiply, where sums and comparisons keep those that add busy.
template <class V> LANES_INLINE V minus(V a, V b) { return fused(b, all<V>(-1), a); }

template <class V> LANES_INLINE V size(V a) {
    using Bits = decltype(V{} > V{});
    return V(Bits(a) & ~Bits(-V{}));  // without the sign
}

// Whether a < b in any lane: for what is rare, and worth a branch.
template <class V> LANES_INLINE bool any_less(V a, V b) {
#if LANES_BYTES == 64
    if constexpr (sizeof(ScalarOf<V>) == 4) return _mm512_cmp_ps_mask(__m512(a), __m512(b), _CMP_LT_OQ) != 0;
    else return _mm512_cmp_pd_mask(__m512d(a), __m512d(b), _CMP_LT_OQ) != 0;
#elif LANES_BYTES == 32
    if constexpr (sizeof(ScalarOf<V>) == 4) return _mm256_movemask_ps(__m256(a < b)) != 0;
    else return _mm256_movemask_pd(__m256d(a < b)) != 0;
#else
    const auto less = a < b;
    for (int i = 0; i < Lanes<V>::count; ++i) {
        if (less[i]) return true;
    }
    return false;
#endif
}

// Half the limited difference across a cell, from the differences to both sides: what of `wanted` lies between zero and
// both of them, where they have one sign.
template <class V> LANES_INLINE V half_slope(Limiter limiter, V a, V b) {
    using T = ScalarOf<V>;
    const V none{};
    if (limiter == Limiter::none) return (a + b) * T(0.25);
    if (limiter == Limiter::van_leer) {
        const V same = a * b > none ? a + b : all<V>(1);
        return a * b > none ? a * b / same : none;
    }
    const V least = greater(smaller(a, b), none), most = smaller(greater(a, b), none);  // one of them is zero
    if (limiter == Limiter::minmod) return (least + most) * T(0.5);
    return greater(smaller(fused(a, all<V>(T(0.25)), b * T(0.25)), least), most);
}

// A limiter or a flux as a type, so that loops over cells hold no branches.
template <Limiter which> struct Limited {
    static constexpr Limiter value = which;
};
template <Flux which> struct Through {
    static constexpr Flux value = which;
};

template <class Act> void with(Limiter limiter, Act act) {
    if (limiter == Limiter::none) act(Limited<Limiter::none>{});
    else if (limiter == Limiter::minmod) act(Limited<Limiter::minmod>{});
    else if (limiter == Limiter::van_leer) act(Limited<Limiter::van_leer>{});
    else act(Limited<Limiter::mc>{});
}
template <class Act> void with(Flux flux, Act act) {
    if (flux == Flux::rusanov) act(Through<Flux::rusanov>{});
    else if (flux == Flux::hll) act(Through<Flux::hll>{});
    else act(Through<Flux::hllc>{});
}

}  // namespace lanes::finite_volume::LANES_ISA
