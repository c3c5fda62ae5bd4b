// Two meanings of a lane. Rows of the spectrum come in pairs ±ky, because one half plane stands for both.
#pragma once

#include "vec.hpp"

namespace lanes::LANES_ISA {

// Lane = sample: L members march side by side; a pair is one ky. Wavenumbers are plain numbers.
template <class T, int L> struct SampleLanes {
    using Scalar = T;
    using Number = T;
    static constexpr bool across_lines = false;
    static constexpr int lanes = L;
    static int pairs(int largest_ky) { return largest_ky + 1; }
    static int columns(int nx) { return nx; }
    static int pair(int ky) { return ky; }
    static int ky(int pair, int) { return pair; }
    static int member(int lane) { return lane; }
};

// Lane = line: one member; a pair holds L neighbouring rows ky and their L mirror images, a column L neighbouring x.
// In between stands a transposition of L × L tiles.
template <class T, int L> struct LineLanes {
    using Scalar = T;
    using Number = Vector<T, L>;
    static constexpr bool across_lines = true;
    static constexpr int lanes = L;
    static int pairs(int largest_ky) { return (largest_ky + L) / L; }
    static int columns(int nx) { return (nx + L - 1) / L; }
    static int pair(int ky) { return ky / L; }
    static int ky(int pair, int lane) { return pair * L + lane; }
    static int member(int) { return 0; }
};

// Lanes j of the first (Half 0) or second of two rows, after they swapped what lies off the diagonal of 2 × 2 blocks
// of `Distance` lanes.
template <int Distance, int Half, class V, int... J> LANES_INLINE V exchange(V a, V b, Indices<J...>) {
    constexpr int L = sizeof...(J);
    if constexpr (Half == 0) return __builtin_shufflevector(a, b, (J & Distance ? L + J - Distance : J)...);
    return __builtin_shufflevector(a, b, (J & Distance ? L + J : J + Distance)...);
}

// Transpose L vectors of L lanes in place, one bit of the index after the other.
template <int Distance = 1, class V, int L> LANES_INLINE void transpose(V (&rows)[L]) {
    if constexpr (Distance < L) {
        using Lanes = typename IndicesUpTo<L>::type;
        for (int i = 0; i < L; ++i) {
            if (i & Distance) continue;
            const V a = rows[i], b = rows[i + Distance];
            rows[i] = exchange<Distance, 0>(a, b, Lanes{});
            rows[i + Distance] = exchange<Distance, 1>(a, b, Lanes{});
        }
        transpose<2 * Distance>(rows);
    }
}

}  // namespace lanes::LANES_ISA
