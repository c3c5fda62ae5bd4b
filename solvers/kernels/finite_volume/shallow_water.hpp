// Shallow water in lanes: what ShallowWaterSystem computes. Variables: depth, then velocities (or momenta) along x, y.
#pragma once

#include "lane_math.hpp"

namespace lanes::finite_volume::LANES_ISA {

template <class V, int D> struct ShallowWater {
    static constexpr int variables = 1 + D, positives = 1, kept = variables;
    static constexpr bool has_velocity = true;
    static constexpr bool rubs = true;  // on a rough bed
    static constexpr bool lone = false;
    using T = ScalarOf<V>;
    V gravity;
    T dry;

    ShallowWater(V parameter, const Box& box) : gravity(parameter), dry(T(box.dry)) {}

    static constexpr int positive(int) { return 0; }

    LANES_INLINE void primitive(const V* q, V* w) const {
        const V h = greater(q[0], V{});
        const auto wet = h > dry;
        const V inverse = T(1) / (wet ? h : all<V>(1));
        w[0] = h;
        for (int v = 1; v <= D; ++v) w[v] = wet ? q[v] * inverse : V{};
    }

    LANES_INLINE void conserved(const V* w, V* q) const {
        q[0] = w[0];
        for (int v = 1; v <= D; ++v) q[v] = w[0] * w[v];
    }

    LANES_INLINE void quasilinear(const V* w, const V* change, int n, V* out) const {
        for (int v = 0; v <= D; ++v) out[v] = w[n] * change[v];
        out[0] = fused(w[0], change[n], out[0]);
        out[n] = fused(gravity, change[0], out[n]);
    }

    LANES_INLINE V sound(const V* w) const { return root(gravity * w[0]); }
    LANES_INLINE V sound_in_cell(const V* w) const { return sound(w); }

    LANES_INLINE V fastest(const V* w, V c, int n) const { return size(w[n]) + c; }

    LANES_INLINE void flux(Flux kind, const V* l, const V* r, int n, V* f) const {
        const V ca = sound(l), cb = sound(r), a = l[n], b = r[n];
        const V mass_l = l[0] * a, mass_r = r[0] * b;
        const V half = gravity * T(0.5), push_l = fused(mass_l, a, half * l[0] * l[0]), push_r = fused(mass_r, b, half * r[0] * r[0]);
        if (kind == Flux::rusanov) {
            const V top = greater(size(a) + ca, size(b) + cb) * T(0.5);
            f[0] = (mass_l + mass_r) * T(0.5) - top * (r[0] - l[0]);
            for (int t = 1; t <= D; ++t) {
                const V ql = l[0] * l[t], qr = r[0] * r[t];
                const V fl = t == n ? push_l : mass_l * l[t], fr = t == n ? push_r : mass_r * r[t];
                f[t] = (fl + fr) * T(0.5) - top * (qr - ql);
            }
            return;
        }
        // What the waves that leave both sides carry to the middle, whose waves are at u ∓ c; a dry side has no wave but the other's.
        const V up = fused(ca, all<V>(2), a), down = fused(cb, all<V>(-2), b);  // u + 2c and u − 2c
        const V slow = smaller(l[0] > dry ? smaller(a - ca, fused(down, all<V>(0.75), up * T(0.25))) : down, V{});
        const V fast = greater(r[0] > dry ? greater(b + cb, fused(up, all<V>(0.75), down * T(0.25))) : up, V{});
        // Where both are zero so is what is divided.
        const V inverse = T(1) / greater(fast - slow, all<V>(T(1e-30))), both = slow * fast;
        f[0] = fused(both, r[0] - l[0], fused(fast, mass_l, -slow * mass_r)) * inverse;
        for (int t = 1; t <= D; ++t) {
            if (t == n) f[t] = fused(both, mass_r - mass_l, fused(fast, push_l, -slow * push_r)) * inverse;
            else if (kind == Flux::hll) f[t] = fused(both, fused(r[0], r[t], -l[0] * l[t]), fused(fast * mass_l, l[t], -slow * mass_r * r[t])) * inverse;
            else f[t] = f[0] * (f[0] > V{} ? l[t] : r[t]);
        }
    }

    // Not below zero, and finite.
    LANES_INLINE auto sound_state(const V* q) const {
        V sum = q[0];
        for (int v = 1; v <= D; ++v) sum += q[v] * T(0);
        return (q[0] >= V{}) & (sum - sum == V{});
    }
};

}  // namespace lanes::finite_volume::LANES_ISA
