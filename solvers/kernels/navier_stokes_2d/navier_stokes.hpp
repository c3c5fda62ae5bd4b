// 𝒩 of 2D Navier–Stokes in vorticity form, pair of rows by pair of rows (derivation in README.md):
//     spectrum of z = u + iv from ω̂, and 𝒩 from Q, the spectrum of z².
#pragma once

#include <math.h>
#include <stdlib.h>

#include "grid.hpp"

namespace lanes::LANES_ISA {

template <class Layout> class NavierStokes {
    using T = typename Layout::Scalar;
    using Number = typename Layout::Number;
    static constexpr int L = Layout::lanes;

  public:
    using V = Vector<T, L>;

    Grid<Layout> grid;
    T* kx;
    Number* ky;
    Number *along, *across;  // kx/k², ky/k² of the pair entered
    Complex<V> mean{};       // U + iV in the lanes that hold row 0

    NavierStokes(const Flow& shared, Arena& arena) : grid(shared, arena), flow(shared), modes(shared.largest_kx() + 1) {
        const int pairs = Layout::pairs(flow.largest_ky());
        kx = arena.take<T>(modes);
        ky = arena.take<Number>(pairs);
        inverse_squared = arena.take<Number>(size_t(pairs) * modes);
        along = arena.take<Number>(modes);
        across = arena.take<Number>(modes);
        shear = arena.take<Number>(modes);
        strain = arena.take<Number>(modes);
        waves = arena.take<Complex<V>>(flow.wave_count);
        if (arena.base) tabulate(pairs);
    }

    // The factors of one pair, for put_velocity and receive.
    void enter(int pair) {
        const Number y = ky[pair], *inverse = inverse_squared + size_t(pair) * modes;
        const T scale = T(1) / (T(flow.nx) * T(flow.ny));
        for (int k = 0; k < modes; ++k) {
            const T x = kx[k];
            along[k] = inverse[k] * x;
            across[k] = inverse[k] * y;
            shear[k] = (x * x - y * y) * (scale / 4);
            strain[k] = y * (x * scale / 2);
        }
    }

    // ω̂ at (kx, ±ky) -> z = (kx + i ky) ω̂/k² at (±kx, ±ky), by ω̂(−k) = conj ω̂(k).
    LANES_INLINE void put_velocity(int k, Complex<V> plus, Complex<V> minus) {
        const Number a = along[k], d = across[k];
        const int mirror = k ? flow.nx - k : 0;
        grid.line[1][mirror] = {-(plus.re * a + plus.im * d), plus.im * a - plus.re * d};
        grid.line[0][mirror] = {minus.im * d - minus.re * a, minus.im * a + minus.re * d};
        grid.line[0][k] = {plus.re * a - plus.im * d, plus.im * a + plus.re * d};
        grid.line[1][k] = {minus.re * a + minus.im * d, minus.im * a - minus.re * d};
    }

    // The velocities put, to the grid.
    void send(int pair) {
        if (pair == 0) {
            grid.line[0][0] = grid.line[0][0] + mean;
            grid.line[1][0] = grid.line[1][0] + mean;
        }
        grid.rows_to_grid(pair);
    }

    // All products on the grid. The largest |u|/hx + |v|/hy of every lane, if Measured.
    template <bool Measured> V multiply() {
        const T a = T(flow.nx / flow.length_x), b = T(flow.ny / flow.length_y);
        return flow.tracers ? grid.template multiply<Measured>(a, b) : grid.template square<Measured>(a, b);
    }

    // 𝒩 at (kx, ±ky), kx ≥ 0, into grid.line[0] and [1].
    void receive(int pair) {
        grid.rows_from_grid(pair);
        for (int k = 0; k < modes; ++k) {
            const int mirror = k ? flow.nx - k : 0;
            const Number s = shear[k], c = strain[k];
            const Complex<V> plus = grid.line[0][k], minus = grid.line[1][k];
            const Complex<V> other_plus = grid.line[1][mirror], other_minus = grid.line[0][mirror];  // at −k
            grid.line[0][k] = {(plus.im + other_plus.im) * s - (plus.re + other_plus.re) * c,
                               (other_plus.re - plus.re) * s - (plus.im - other_plus.im) * c};
            grid.line[1][k] = {(minus.im + other_minus.im) * s + (minus.re + other_minus.re) * c,
                               (other_minus.re - minus.re) * s + (minus.im - other_minus.im) * c};
        }
        for (int i = 0; i < flow.wave_count; ++i) add_wave(pair, flow.waves[i], waves[i]);
    }

  private:
    const Flow& flow;
    const int modes;
    Number* inverse_squared;
    Number *shear, *strain;  // (kx² − ky²)/4 and kx ky/2, over the number of points
    Complex<V>* waves;

    void tabulate(int pairs) {
        const double unit_x = 2 * M_PI / flow.length_x, unit_y = 2 * M_PI / flow.length_y;
        for (int k = 0; k < modes; ++k) kx[k] = T(unit_x * k);
        for (int pair = 0; pair < pairs; ++pair) {
            for (int i = 0; i < L; ++i) {
                const int number = Layout::ky(pair, i);
                const bool kept = number <= flow.largest_ky();
                lane<T>(ky[pair], i) = kept ? T(unit_y * number) : T(0);
                for (int k = 0; k < modes; ++k) {
                    const double squared = unit_x * k * unit_x * k + unit_y * number * unit_y * number;
                    lane<T>(inverse_squared[size_t(pair) * modes + k], i) = kept && squared > 0 ? T(1 / squared) : T(0);
                }
            }
        }
        for (int i = 0; i < flow.wave_count; ++i)
            waves[i] = on_row(abs(flow.waves[i].ky), flow.waves[i].re, flow.waves[i].im);
        mean = on_row(0, flow.mean_u, flow.mean_v);
    }

    // The value in the lanes that hold row ky, 0 in the others.
    static Complex<V> on_row(int ky, double re, double im) {
        Complex<V> out{};
        for (int i = 0; i < L; ++i) {
            if (Layout::across_lines && ky % L != i) continue;
            lane<T>(out.re, i) = T(re);
            lane<T>(out.im, i) = T(im);
        }
        return out;
    }

    void add_wave(int pair, const Wave& wave, Complex<V> value) {
        if (Layout::pair(abs(wave.ky)) != pair) return;
        if (wave.ky >= 0) grid.line[0][wave.kx] = grid.line[0][wave.kx] + value;
        if (wave.ky <= 0) grid.line[1][wave.kx] = grid.line[1][wave.kx] + value;  // row 0 is its own mirror image
    }
};

}  // namespace lanes::LANES_ISA
