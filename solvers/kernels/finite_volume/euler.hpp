// Compressible flow of an ideal gas in lanes: what EulerSystem computes. Variables: density, velocities along x, y, z (or
// momenta), pressure (or energy).
#pragma once

#include "lane_math.hpp"

namespace lanes::finite_volume::LANES_ISA {

template <class V, int D> struct Euler {
    static constexpr int variables = 2 + D, positives = 2;
    static constexpr int kept = variables + 1;  // 1/ρ comes with the primitive variables of a cell
    static constexpr int last = D + 1;
    static constexpr bool has_velocity = true;
    static constexpr bool rubs = false;
    static constexpr bool lone = false;
    using T = ScalarOf<V>;
    V gamma, less, inverse_less;  // γ, γ − 1, 1/(γ − 1)

    Euler(V parameter, const Box&) : gamma(parameter), less(parameter - T(1)), inverse_less(T(1) / (parameter - T(1))) {}

    static constexpr int positive(int i) { return i == 0 ? 0 : last; }

    LANES_INLINE V square(const V* w) const {
        V sum = w[1] * w[1];
        for (int v = 2; v <= D; ++v) sum = fused(w[v], w[v], sum);
        return sum;
    }

    LANES_INLINE void primitive(const V* q, V* w) const {
        const V inverse = T(1) / q[0];
        w[0] = q[0];
        for (int v = 1; v <= D; ++v) w[v] = q[v] * inverse;
        w[last] = less * fused(q[0] * T(-0.5), square(w), q[last]);
        w[variables] = inverse;
    }

    LANES_INLINE void conserved(const V* w, V* q) const {
        q[0] = w[0];
        for (int v = 1; v <= D; ++v) q[v] = w[0] * w[v];
        q[last] = energy(w);
    }

    LANES_INLINE void quasilinear(const V* w, const V* change, int n, V* out) const {
        for (int v = 0; v <= last; ++v) out[v] = w[n] * change[v];
        out[0] = fused(w[0], change[n], out[0]);
        out[n] = fused(change[last], w[variables], out[n]);
        out[last] = fused(gamma * w[last], change[n], out[last]);
    }

    LANES_INLINE V sound(const V* w) const { return root(gamma * w[last] / w[0]); }
    LANES_INLINE V sound_in_cell(const V* w) const { return root(gamma * w[last] * w[variables]); }

    LANES_INLINE V fastest(const V* w, V c, int n) const { return size(w[n]) + c; }

    LANES_INLINE V energy(const V* w) const { return fused(w[last], inverse_less, w[0] * square(w) * T(0.5)); }

    LANES_INLINE void flux(Flux kind, const V* l, const V* r, int n, V* f) const {
        const V ca = sound(l), cb = sound(r), a = l[n], b = r[n];
        if (kind == Flux::hllc) return hllc(l, r, smaller(a - ca, b - cb), greater(a + ca, b + cb), n, f);
        const V top = greater(size(a) + ca, size(b) + cb);
        V slow = -top, fast = top;
        if (kind == Flux::hll) {
            slow = smaller(smaller(a - ca, b - cb), V{});
            fast = greater(greater(a + ca, b + cb), V{});
        }
        const V inverse = T(1) / (fast - slow), both = slow * fast, el = energy(l), er = energy(r);
        for (int v = 0; v <= last; ++v) {
            const V ql = v == 0 ? l[0] : v == last ? el : l[0] * l[v], qr = v == 0 ? r[0] : v == last ? er : r[0] * r[v];
            V fl = fused(ql, a, v == n ? l[last] : V{}), fr = fused(qr, b, v == n ? r[last] : V{});
            if (v == last) fl = fused(l[last], a, fl), fr = fused(r[last], b, fr);
            f[v] = fused(both, qr - ql, fused(fast, fl, -slow * fr)) * inverse;
        }
    }

    // The state beside the face, or the one between the waves, and the flux that belongs to it.
    LANES_INLINE void hllc(const V* l, const V* r, V slow, V fast, int n, V* f) const {
        const V mass_l = l[0] * (slow - l[n]), mass_r = r[0] * (fast - r[n]);
        const V contact = fused(-r[n], mass_r, fused(l[n], mass_l, r[last] - l[last])) / fused(l[0], slow - l[n], -mass_r);
        const auto ahead = contact >= V{};
        V w[variables];
        for (int v = 0; v < variables; ++v) w[v] = ahead ? l[v] : r[v];
        const V s = ahead ? slow : fast, mass = ahead ? mass_l : mass_r, e = energy(w);
        const auto between = ahead ? slow < V{} : fast > V{};
        const V inverse = T(1) / (s - contact), density = mass * inverse;
        const V pressure = fused(mass, contact - w[n], w[last]);
        const V star = fused(pressure, contact, fused(s - w[n], e, -w[last] * w[n]));  // times s − contact
        const V flow = w[0] * w[n];
        f[0] = between ? fused(s, fused(mass, inverse, -w[0]), flow) : flow;
        for (int v = 1; v <= D; ++v) {
            const V own = fused(flow, w[v], v == n ? w[last] : V{});
            f[v] = between ? fused(s, fused(density, v == n ? contact : w[v], -w[0] * w[v]), own) : own;
        }
        const V carried = (e + w[last]) * w[n];
        f[last] = between ? fused(s, fused(star, inverse, -e), carried) : carried;
    }

    LANES_INLINE auto sound_state(const V* q) const {
        V square = q[1] * q[1];
        for (int v = 2; v <= D; ++v) square = fused(q[v], q[v], square);
        const V sum = q[last] + square + q[0];
        return (q[0] > V{}) & (q[last] > square / (T(2) * q[0])) & (sum - sum == V{});
    }
};

}  // namespace lanes::finite_volume::LANES_ISA
