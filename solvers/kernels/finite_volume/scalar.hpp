// Scalar laws in lanes: what AdvectionSystem and BurgersSystem compute. One variable, the same speed along every axis.
#pragma once

#include "lane_math.hpp"

namespace lanes::finite_volume::LANES_ISA {

template <class V, int D> struct Scalar {
    static constexpr int variables = 1, positives = 0, kept = 1;
    static constexpr bool has_velocity = false;
    static constexpr bool rubs = false;
    static constexpr bool plain = true;  // the primitive variable is the conserved one
    using T = ScalarOf<V>;
    V speed;
    bool steepens;  // Burgers: u carries itself

    Scalar(V parameter, const Box& box) : speed(parameter), steepens(box.steepens) {}

    static constexpr int positive(int) { return 0; }

    LANES_INLINE V slope(V u) const { return steepens ? u : speed; }
    LANES_INLINE V carrier(V u) const { return steepens ? u * T(0.5) : speed; }  // the flux is this times u

    LANES_INLINE void primitive(const V* q, V* w) const { w[0] = q[0]; }
    LANES_INLINE void quasilinear(const V* w, const V* change, int, V* out) const { out[0] = slope(w[0]) * change[0]; }
    LANES_INLINE V sound_in_cell(const V*) const { return V{}; }
    LANES_INLINE V fastest(const V* w, V, int) const { return size(slope(w[0])); }

    LANES_INLINE void flux(Flux kind, const V* l, const V* r, int, V* f) const {
        if (kind == Flux::rusanov) {
            const V top = greater(size(slope(l[0])), size(slope(r[0])));
            f[0] = fused(top * T(-0.5), r[0] - l[0], fused(carrier(r[0]), r[0], carrier(l[0]) * l[0]) * T(0.5));
            return;
        }
        // HLL between min(a, b, 0) and max(a, b, 0), worked out: both laws need no division.
        if (steepens) {
            const V none{}, ahead = greater(l[0], none), back = smaller(r[0], none);
            f[0] = fused(ahead, ahead - back, fused(back, back, smaller(l[0], none) * greater(r[0], none))) * T(0.5);
        } else {
            f[0] = fused(greater(speed, V{}), l[0], smaller(speed, V{}) * r[0]);
        }
    }

    LANES_INLINE auto sound_state(const V* q) const { return q[0] - q[0] == V{}; }
};

}  // namespace lanes::finite_volume::LANES_ISA
