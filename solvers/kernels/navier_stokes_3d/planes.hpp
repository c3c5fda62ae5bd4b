// A plane z of the grid, in the second-level cache: along y, along x, the products, and back.
// Along y the lanes are neighbouring kx, along x neighbouring y; tiles of L × L are transposed in between.
#pragma once

#include "../layout.hpp"
#include "axis.hpp"

namespace lanes::navier_stokes_3d::LANES_ISA {

// The real fields of two complex lines z = u + iv and the halves of w = w₁ + iw₂, at the points where the innermost
// pass has them in registers -> z², zw and the pair of w² − (u² + v²)/2: all products of both halves in five lines.
template <class V, bool Measured> struct Products {
    V peak;
    ScalarOf<V> x, y, z;  // one over the spacings

    template <int Radix>
    LANES_INLINE void turn(Complex<V>* z1, Complex<V>* z2, Complex<V>* w12, Complex<V>* q1, Complex<V>* q2) {
        Complex<V> a[Radix], b[Radix], c[Radix], d[Radix], e[Radix];
        for (int i = 0; i < Radix; ++i) a[i] = z1[i], b[i] = z2[i], c[i] = w12[i];
        butterfly<Radix, +1>(a);
        butterfly<Radix, +1>(b);
        butterfly<Radix, +1>(c);
        for (int i = 0; i < Radix; ++i) {
            const V w1 = c[i].re, w2 = c[i].im;
            d[i] = a[i] * w1;
            e[i] = b[i] * w2;
            c[i] = {square(a[i], w1), square(b[i], w2)};
        }
        butterfly<Radix, -1>(a);
        butterfly<Radix, -1>(b);
        butterfly<Radix, -1>(c);
        butterfly<Radix, -1>(d);
        butterfly<Radix, -1>(e);
        for (int i = 0; i < Radix; ++i) z1[i] = a[i], z2[i] = b[i], w12[i] = c[i], q1[i] = d[i], q2[i] = e[i];
    }

  private:
    // z <- z²; gives w² − (u² + v²)/2.
    LANES_INLINE V square(Complex<V>& a, V w) {
        if constexpr (Measured) peak = larger(absolute(a.re) * x + absolute(a.im) * y + absolute(w) * z, peak);
        const V uu = a.re * a.re, vv = a.im * a.im;
        a = {uu - vv, (a.re + a.re) * a.im};
        return w * w - (uu + vv) * ScalarOf<V>(0.5);
    }
};

template <class T, int L> class Planes {
    using V = Vector<T, L>;

    const Box& box;
    const Share& share;
    const int modes, blocks, groups;
    Axis<V> y, x;
    Complex<V>* column;    // points of a line along y; beyond the grid zeros
    Complex<V>* lines[5];  // along x
    Complex<V>* plane;     // [group of L points y][slot][kx]

  public:
    static constexpr int velocities = 3, products = 5;

    Planes(const Box& shared, const Share& own, Arena& arena)
        : box(shared), share(own), modes(box.modes()), blocks((modes + L - 1) / L),
          groups(((box.points[1] + L - 1) / L + 1) / 2 * 2), y(box, 1, arena), x(box, 2, arena),
          column(arena.take<Complex<V>>(groups * L)) {
        for (auto*& line : lines) line = arena.take<Complex<V>>(box.points[2]);
        const size_t size = size_t(groups) * products * blocks * L;
        plane = arena.take<Complex<V>>(size);
        if (!arena.base) return;
        for (int i = 0; i < groups * L; ++i) column[i] = Complex<V>{};
        for (size_t i = 0; i < size; ++i) plane[i] = Complex<V>{};
    }

    static size_t memory(const Box& box) {
        Arena arena{nullptr};
        Planes(box, Share{}, arena);
        return arena.used;
    }

    static void run(const Box& box, const Share& share, const PlaneJob& job, void* memory) {
        Arena arena{static_cast<char*>(memory)};
        Planes planes(box, share, arena);
        if (job.rate) {
            planes.template serve<true>(job);
        } else {
            planes.template serve<false>(job);
        }
    }

  private:
    template <bool Measured> void serve(const PlaneJob& job) {
        const double* lengths = box.lengths;
        const int* points = box.points;
        Products<V, Measured> turn{V{}, T(points[2] / lengths[2]), T(points[1] / lengths[1]),
                                   T(points[0] / lengths[0])};
        for (int z = job.first; z < job.last; ++z) {
            to_grid(static_cast<const Complex<V>*>(job.velocity), z);
            for (int group = 0; group < groups; group += 2) multiply(tile(group, 0), tile(group + 1, 0), turn);
            from_grid(static_cast<Complex<V>*>(job.products), z);
        }
        if constexpr (Measured) {
            for (int i = 0; i < L; ++i) {
                const double one = lane<T>(turn.peak, i);
                if (one > *job.rate) *job.rate = one;
            }
        }
    }

    Complex<V>* tile(int group, int slot) const { return plane + (size_t(group) * products + slot) * blocks * L; }

    // Calls visit(row of y.line, its block in a grid buffer) for the rows of a plane's slot, all slabs in turn, and
    // fetches those of the next slot.
    template <int Purpose, class Buffer, class Visit>
    void each_row(Buffer* buffer, int slots, int z, int slot, int block, Visit visit) const {
        for (int slab = 0; slab < share.slabs; ++slab) {
            const int first = share.first_row[slab], rows = share.rows(slab);
            Buffer* start = buffer + size_t(blocks) * slots * share.planes * first;
            start += (size_t(z) * slots + slot) * rows * blocks;
            for (int row = 0; row < rows; ++row) {
                visit(first + row, start[size_t(row) * blocks + block]);
                fetch<Purpose>(start + size_t(row + rows) * blocks + block);
            }
        }
    }

    void to_grid(const Complex<V>* velocity, int z) {
        for (int slot = 0; slot < velocities; ++slot) {
            for (int block = 0; block < blocks; ++block) {
                each_row<to_read>(velocity, velocities, z, slot, block,
                                  [&](int row, const Complex<V>& place) { y.line[row] = place; });
                y.go(y.line, column);
                y.arrive(column);
                for (int group = 0; group < groups; ++group) {
                    turn_tile(column + group * L, tile(group, slot) + block * L);
                }
            }
        }
    }

    void from_grid(Complex<V>* target, int z) {
        for (int slot = 0; slot < products; ++slot) {
            for (int block = 0; block < blocks; ++block) {
                for (int group = 0; group < groups; ++group) {
                    turn_tile(tile(group, slot) + block * L, column + group * L);
                }
                y.depart(column);
                y.come(column, y.line);
                each_row<to_write>(target, products, z, slot, block,
                                   [&](int row, Complex<V>& place) { place = y.line[row]; });
            }
        }
        for (int i = box.points[1]; i < groups * L; ++i) column[i] = Complex<V>{};
    }

    static void turn_tile(const Complex<V>* from, Complex<V>* to) {
        V re[L], im[L];
        for (int i = 0; i < L; ++i) re[i] = from[i].re, im[i] = from[i].im;
        transpose(re);
        transpose(im);
        for (int i = 0; i < L; ++i) to[i] = {re[i], im[i]};
    }

    // Velocities of two groups of lines, [slot][kx] each -> their products, times two, in place.
    template <class Turn> void multiply(Complex<V>* first, Complex<V>* second, Turn& turn) {
        const int stride = blocks * L;
        pair(first, first + stride, lines[0]);
        pair(second, second + stride, lines[1]);
        pair(first + 2 * stride, second + 2 * stride, lines[2]);
        const Pass<T>& pass = x.innermost_pass();
        with_radix(pass.radix, [&](auto chosen) {
            constexpr int R = chosen.radix;
            for (int i = 0; i < x.points; i += R)
                turn.template turn<R>(lines[0] + i, lines[1] + i, lines[2] + i, lines[3] + i, lines[4] + i);
        });
        part(lines[0], first, first + stride);
        part(lines[1], second, second + stride);
        part(lines[3], first + 2 * stride, first + 3 * stride);
        part(lines[4], second + 2 * stride, second + 3 * stride);
        part(lines[2], first + 4 * stride, second + 4 * stride);
    }

    // Half spectra of two real lines a, b -> a + ib on its way to the points.
    void pair(const Complex<V>* a, const Complex<V>* b, Complex<V>* points) {
        const int rows = 2 * modes - 1;
        x.line[0] = {a[0].re, b[0].re};
        for (int k = 1; k < modes; ++k) {
            x.line[k] = {a[k].re - b[k].im, a[k].im + b[k].re};
            x.line[rows - k] = {a[k].re + b[k].im, b[k].re - a[k].im};
        }
        x.go(x.line, points);
    }

    // The way back of `pair`; twice the spectra.
    void part(Complex<V>* points, Complex<V>* a, Complex<V>* b) {
        const int rows = 2 * modes - 1;
        x.come(points, x.line);
        for (int k = 0; k < modes; ++k) {
            const Complex<V> plus = x.line[k], minus = x.line[k ? rows - k : 0];
            a[k] = {plus.re + minus.re, plus.im - minus.im};
            b[k] = {plus.im + minus.im, minus.re - plus.re};
        }
    }
};

}  // namespace lanes::navier_stokes_3d::LANES_ISA
