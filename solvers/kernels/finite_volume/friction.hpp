// Manning's friction, each cell by itself: what RoughSystem.relaxed computes.
#pragma once

#include "lane_math.hpp"

namespace lanes::finite_volume::LANES_ISA {

// x^(−1/3) of positive numbers, to a few units in the last place: Newton's iteration, which needs no division.
template <class V> LANES_INLINE V inverse_cube_root(V x) {
    using T = ScalarOf<V>;
    using Bits = decltype(V{} > V{});
    constexpr bool single = sizeof(T) == 4;
    // A third of the exponent, by 1/4 + 1/16 + …; what it is taken from makes the first guess good to a few per cent.
    const Bits bits = Bits(x);
    Bits third{};
    for (int shift = 2; shift < (single ? 24 : 40); shift += 2) third += bits >> shift;
    V y = V(ScalarOf<Bits>(single ? 0x54a21d2a : 0x553ef0ff289dd796) - third);
    for (int turn = 0; turn < (single ? 4 : 5); ++turn) y = fused(y * T(1.0 / 3), fused(-x * y, y * y, all<V>(1)), y);
    return y;
}

// Momenta of shallow water after |u| fell to |u|/(1 + strength |u| h^(−4/3)) where there is water; strength is Δt g n².
template <int D, class V> LANES_INLINE void rub(V* q, V strength, ScalarOf<V> dry) {
    using T = ScalarOf<V>;
    V square = q[1] * q[1];
    for (int v = 2; v <= D; ++v) square = fused(q[v], q[v], square);
    const auto moves = (q[0] > dry) & (square > V{});  // a film thinner than numbers can tell may stand
    const V h = moves ? q[0] : all<V>(1), third = inverse_cube_root(h);
    const V slower = T(1) / fused(strength * (root(square) / h), third * third * third * third, all<V>(1));
    for (int v = 1; v <= D; ++v) q[v] = moves ? q[v] * slower : q[v];
}

}  // namespace lanes::finite_volume::LANES_ISA
