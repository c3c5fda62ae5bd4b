// Rows of cells along x, a vector of neighbours at a time: edges of cells, fluxes through faces, and what these do to the
// cells between. Along x the neighbours of a vector are the same row one cell on; along y and z they are other rows.
#pragma once

#include <string.h>

#include "../arena.hpp"
#include "lane_math.hpp"

namespace lanes::finite_volume::LANES_ISA {

// `N` rows of values, one per cell or face, and one more.
template <class T, int N> struct Strip {
    T* first;
    long pitch;

    T* operator[](int v) const { return first + v * pitch; }
    Strip from(int i) const { return {first + i, pitch}; }
};

// Where the neighbours of a row's cells lie: padded planes of primitive variables, and of the bed or the potential.
template <class T> struct Around {
    const T* w;
    const T* height;  // null on flat ground
    const T* flags;   // where not null, faces of cells that are not zero take the safest flux
    long plane, step;  // from variable to variable, and to the next cell along the axis
};

template <template <class, int> class Law, class T, int L, int D> struct Rows {
    using V = Vector<T, L>;
    using System = Law<V, D>;
    using Mask = decltype(V{} > V{});
    static constexpr int N = System::variables, last = N - 1;
    static constexpr bool water = System::positives == 1;  // lies on a bed, where gas lies in a potential
    using Own = Strip<T, N + 1>;  // the last row: height of the bed at an edge, or what the cell above a face feels instead

    const System law;
    V shear, bulk, limited{};
    T dry;
    T per_cell[3];  // 1/h
    V count_up;

    Rows(const Box& box, const Member& member)
        : law(all<V>(T(member.parameters[0])), box), shear(all<V>(T(member.parameters[1]))), bulk(all<V>(T(member.parameters[2]))),
          dry(T(box.dry)) {
        for (int axis = 0; axis < D; ++axis) per_cell[axis] = T(1 / box.spacing[axis]);
        for (int l = 0; l < L; ++l) count_up[l] = T(l);
    }

    // Which lanes of the vector at `k` lie between two places of a row.
    LANES_INLINE Mask within(int k, int from, int to) const {
        const V place = count_up + T(k);
        return (place >= T(from)) & (place < T(to));
    }

    // Values at both edges of `count` cells; of those from `first` to `end` it counts where positivity was helped.
    void edges(Limiter limiter, Around<T> at, int count, int first, int end, Own low, Own high) {
        with(limiter, [&](auto which) {
            if (!at.height) level(which, at, count, first, end, low, high);
            else if constexpr (water) sloping(which, at, count, low, high);
            else balanced(which, at, count, first, end, low, high);
        });
    }

    // Fluxes through `count` faces, of which the first lies below the cell at `at`.
    void faces(Flux flux, Around<T> at, int n, int count, Own left, Own right, Own f) {
        with(flux, [&](auto which) {
            if (!at.height) plain(which, n, count, left, right, f);
            else if constexpr (water) over_bed(which, n, count, left, right, f);
            else working(which, at, n, count, left, right, f);
        });
        if (at.flags) safest(at, count, n, f);
    }

    // σ·n and (σu)·n taken from the fluxes of a gas.
    void viscous(Around<T> at, const long* steps, int axis, int count, Own f) {
        const int n = 1 + axis;
        for (int k = 0; k < count; k += L) {
            const T *here = at.w + k, *there = here - at.step;
            V gradient[D][D + 1], divergence{}, stress[D + 1], power{};
            for (int a = 0; a < D; ++a) {
                for (int v = 1; v <= D; ++v) {
                    const T *p = here + v * at.plane, *m = there + v * at.plane;
                    if (a == axis) gradient[a][v] = (near<V>(p) - near<V>(m)) * per_cell[a];
                    else gradient[a][v] = ((near<V>(p + steps[a]) - near<V>(p - steps[a])) + (near<V>(m + steps[a]) - near<V>(m - steps[a]))) * (per_cell[a] * T(0.25));
                }
                divergence += gradient[a][1 + a];
            }
            for (int v = 1; v <= D; ++v) {
                stress[v] = shear * (gradient[axis][v] + gradient[v - 1][n]);
                if (v == n) stress[v] = fused(fused(shear, all<V>(T(-2.0 / 3)), bulk), divergence, stress[v]);
                power = fused(stress[v], (near<V>(here + v * at.plane) + near<V>(there + v * at.plane)) * T(0.5), power);
                put(f[v] + k, near<V>(f[v] + k) - stress[v]);
            }
            put(f[last] + k, near<V>(f[last] + k) - power);
        }
    }

    // What flows in below less what flows out above, times Δt/h. Over a bed the mass waits for `drain`.
    void gather(bool uneven, int n, int count, T ratio, Own below, Own above, T* cells, long plane) const {
        for (int v = uneven && water ? 1 : 0; v < N; ++v) {
            const T* in = uneven && v == (water ? n : last) ? below[N] : below[v];
            for (int k = 0; k < count; k += L) {
                T* own = cells + v * plane + k;
                put(own, fused(all<V>(ratio), near<V>(in + k) - near<V>(above[v] + k), near<V>(own)));
            }
        }
    }

    // What the slope within `count` cells pushes along axis n − 1.
    void push(Around<T> at, int count, T ratio, Own low, Own high, T* momentum) const {
        for (int k = 0; k < count; k += L) {
            V force;
            if constexpr (water) {
                force = (near<V>(low[0] + k) + near<V>(high[0] + k)) * (near<V>(high[N] + k) - near<V>(low[N] + k)) * (law.gravity * T(-0.5));
            } else {
                force = near<V>(at.w + k) * (near<V>(at.height + k + at.step) - near<V>(at.height + k - at.step)) * T(-0.5);
            }
            put(momentum + k, fused(all<V>(ratio), force, near<V>(momentum + k)));
        }
    }

  private:
    LANES_INLINE static void take(const T* from, long plane, V* w) {
        for (int v = 0; v < N; ++v) w[v] = near<V>(from + v * plane);
    }
    LANES_INLINE static void take(Own from, int k, V* w) {
        for (int v = 0; v < N; ++v) w[v] = near<V>(from[v] + k);
    }

    template <Limiter limiter>
    void level(Limited<limiter>, Around<T> at, int count, int first, int end, Own low, Own high) {
        for (int k = 0; k < count; k += L) {
            V a[N], b[N], c[N], down[N], up[N];
            take(at.w + k - at.step, at.plane, a), take(at.w + k, at.plane, b), take(at.w + k + at.step, at.plane, c);
            for (int v = 0; v < N; ++v) {
                const V half = half_slope(limiter, b[v] - a[v], c[v] - b[v]);
                down[v] = b[v] - half;
                up[v] = b[v] + half;
            }
            limited += guard(b, down, up) & within(k, first, end) ? all<V>(1) : V{};
            for (int v = 0; v < N; ++v) put(low[v] + k, down[v]), put(high[v] + k, up[v]);
        }
    }

    // Edge values where a positive variable would come near zero are the cell's own; where that was so.
    LANES_INLINE static Mask guard(const V* middle, V* low, V* high) {
        Mask bad{};
        for (int i = 0; i < System::positives; ++i) {
            const int v = System::positive(i);
            bad = bad | (smaller(low[v], high[v]) < T(1e-6) * middle[v]);
        }
        for (int v = 0; v < N; ++v) low[v] = bad ? middle[v] : low[v], high[v] = bad ? middle[v] : high[v];
        return bad;
    }

    // Depth, velocity and surface are reconstructed, the bed is what lies between; beside dry cells nothing is.
    template <Limiter limiter> void sloping(Limited<limiter>, Around<T> at, int count, Own low, Own high) const {
        for (int k = 0; k < count; k += L) {
            V a[N + 1], b[N + 1], c[N + 1], half[N + 1];
            take(at.w + k - at.step, at.plane, a), take(at.w + k, at.plane, b), take(at.w + k + at.step, at.plane, c);
            a[N] = a[0] + near<V>(at.height + k - at.step);
            b[N] = b[0] + near<V>(at.height + k);
            c[N] = c[0] + near<V>(at.height + k + at.step);
            const Mask wet = (a[0] > dry) & (b[0] > dry) & (c[0] > dry);
            for (int v = 0; v <= N; ++v) {
                half[v] = half_slope(limiter, b[v] - a[v], c[v] - b[v]);
                half[v] = wet ? half[v] : V{};
            }
            for (int v = 0; v < N; ++v) put(low[v] + k, b[v] - half[v]), put(high[v] + k, b[v] + half[v]);
            put(low[N] + k, (b[N] - half[N]) - (b[0] - half[0]));
            put(high[N] + k, (b[N] + half[N]) - (b[0] + half[0]));
        }
    }

    // Pressure is reconstructed as what it differs from the balance with gravity in each cell.
    template <Limiter limiter> void balanced(Limited<limiter>, Around<T> at, int count, int first, int end, Own low, Own high) {
        for (int k = 0; k < count; k += L) {
            V a[N], b[N], c[N], down[N], up[N];
            take(at.w + k - at.step, at.plane, a), take(at.w + k, at.plane, b), take(at.w + k + at.step, at.plane, c);
            const V here = near<V>(at.height + k);
            const V fall = here - near<V>(at.height + k - at.step), rise = near<V>(at.height + k + at.step) - here;
            for (int v = 0; v < N; ++v) {
                V before = b[v] - a[v], after = c[v] - b[v];
                if (v == last) {
                    before = fused((a[0] + b[0]) * T(0.5), fall, before);
                    after = fused((b[0] + c[0]) * T(0.5), rise, after);
                }
                const V half = half_slope(limiter, before, after);
                down[v] = b[v] - half;
                up[v] = b[v] + half;
            }
            down[last] = fused(b[0] * T(0.5), fall, down[last]);
            up[last] = fused(b[0] * T(-0.5), rise, up[last]);
            limited += guard(b, down, up) & within(k, first, end) ? all<V>(1) : V{};
            for (int v = 0; v < N; ++v) put(low[v] + k, down[v]), put(high[v] + k, up[v]);
        }
    }

    template <Flux flux> void plain(Through<flux>, int n, int count, Own left, Own right, Own f) const {
        for (int k = 0; k < count; k += L) {
            V l[N], r[N], out[N];
            take(left, k, l), take(right, k, r);
            law.flux(flux, l, r, n, out);
            for (int v = 0; v < N; ++v) put(f[v] + k, out[v]);
        }
    }

    // Depths above the higher of both beds; the step of the bed pushes back what it keeps (Audusse et al. 2004).
    template <Flux flux> void over_bed(Through<flux>, int n, int count, Own left, Own right, Own f) const {
        for (int k = 0; k < count; k += L) {
            V l[N], r[N], out[N];
            take(left, k, l), take(right, k, r);
            const V own_l = l[0], own_r = r[0], bed_l = near<V>(left[N] + k), bed_r = near<V>(right[N] + k);
            const V top = greater(bed_l, bed_r), half = law.gravity * T(0.5);
            l[0] = greater(own_l + (bed_l - top), V{});
            r[0] = greater(own_r + (bed_r - top), V{});
            law.flux(flux, l, r, n, out);
            put(f[N] + k, fused(half, (own_r - r[0]) * (own_r + r[0]), out[n]));
            out[n] = fused(half, (own_l - l[0]) * (own_l + l[0]), out[n]);
            for (int v = 0; v < N; ++v) put(f[v] + k, out[v]);
        }
    }

    // What mass flows through the face is lifted, half of the way in either cell.
    template <Flux flux> void working(Through<flux>, Around<T> at, int n, int count, Own left, Own right, Own f) const {
        for (int k = 0; k < count; k += L) {
            V l[N], r[N], out[N];
            take(left, k, l), take(right, k, r);
            law.flux(flux, l, r, n, out);
            const V climb = (near<V>(at.height + k) - near<V>(at.height + k - at.step)) * T(0.5);
            put(f[N] + k, fused(-climb, out[0], out[last]));
            out[last] = fused(climb, out[0], out[last]);
            for (int v = 0; v < N; ++v) put(f[v] + k, out[v]);
        }
    }

    // Faces of flagged cells take Rusanov's flux between averages. In a potential either cell beside a face has a flux of energy of its
    // own, `last` for the one below and N for the one above, which differ by the work of gravity (see `working`): their mean is
    // the flux without it, and only that is changed.
    void safest(Around<T> at, int count, int n, Own f) const {
        for (int k = 0; k < count; k += L) {
            const V flag = near<V>(at.flags + k) + near<V>(at.flags + k - at.step);
            V l[N], r[N], out[N];
            take(at.w + k - at.step, at.plane, l), take(at.w + k, at.plane, r);
            law.flux(Flux::rusanov, l, r, n, out);
            if (at.height) {
                const V energy = (near<V>(f[last] + k) + near<V>(f[N] + k)) * T(0.5), change = out[last] - energy;
                put(f[N] + k, near<V>(f[N] + k) + (flag > V{} ? change : V{}));
                out[last] = near<V>(f[last] + k) + change;
            }
            for (int v = 0; v < N; ++v) put(f[v] + k, flag > V{} ? out[v] : near<V>(f[v] + k));
        }
    }
};

}  // namespace lanes::finite_volume::LANES_ISA
