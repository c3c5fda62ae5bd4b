// Scalar laws in lanes: what AdvectionSystem and BurgersSystem compute. One variable, the same speed along every axis.
#pragma once

#include "lane_math.hpp"

namespace lanes::finite_volume::LANES_ISA {

// What both laws share. Each has a `Line`, what it does to a cell of a line in registers: edges half a step on, what flows
// between two cells, and `ratio`, which makes of that flow a change of the average.
template <class V> struct Scalar {
    static constexpr int variables = 1, positives = 0, kept = 1;
    static constexpr bool has_velocity = false, rubs = false, lone = true;

    static constexpr int positive(int) { return 0; }
    LANES_INLINE void primitive(const V* q, V* w) const { w[0] = q[0]; }
    LANES_INLINE V sound_in_cell(const V*) const { return V{}; }
    LANES_INLINE auto sound_state(const V* q) const { return q[0] - q[0] == V{}; }
};

// f = a u: every flux is a times the edge upwind, so a cell has one edge that counts.
template <class V, int D> struct Advection : Scalar<V> {
    V speed;

    Advection(V parameter, const Box&) : speed(parameter) {}

    LANES_INLINE V fastest(const V*, V, int) const { return size(speed); }
    LANES_INLINE V larger(V, V top) const { return top; }

    struct Line {
        const V ratio, reach;
        const decltype(V{} < V{}) back;

        Line(const Advection& law, V own)
            : ratio(own * law.speed), reach((law.speed < V{} ? all<V>(-1) : all<V>(1)) - ratio), back(law.speed < V{}) {}

        LANES_INLINE V edges(V u, V half) const { return fused(reach, half, u); }
        template <Flux> LANES_INLINE V flow(V left, V right) const { return back ? right : left; }
    };
};

// f = u²/2.
template <class V, int D> struct Burgers : Scalar<V> {
    Burgers(V, const Box&) {}

    LANES_INLINE V fastest(const V* w, V, int) const { return size(w[0]); }
    LANES_INLINE V larger(V u, V top) const { return greater(size(u), top); }  // what `fastest` goes by

    struct Line {
        using T = ScalarOf<V>;
        struct Edges {
            V low, high;
        };
        const V own, ratio;

        Line(const Burgers&, V given) : own(given), ratio(given * T(0.5)) {}

        LANES_INLINE Edges edges(V u, V half) const {
            const V middle = fused(-own * u, half, u);
            return {middle - half, middle + half};
        }
        // Twice the flux. HLL between min(l, r, 0) and max(l, r, 0), worked out, needs no division.
        template <Flux kind> LANES_INLINE V flow(Edges left, Edges right) const {
            const V l = left.high, r = right.low, none{};
            if (kind == Flux::rusanov) return fused(greater(size(l), size(r)), l - r, fused(r, r, l * l) * T(0.5));
            const V ahead = greater(l, none), back = smaller(r, none);
            return fused(ahead, minus(ahead, r), fused(back, minus(back, l), l * r));
        }
    };
};

}  // namespace lanes::finite_volume::LANES_ISA
