// A complex field on the grid of a periodic rectangle, kept half transformed between two sweeps:
//     rows      spectrum <-> (ky, x), a pair of rows ±ky at a time, in L1
//     columns   (ky, x) -> (y, x) -> squared -> (ky, x), a column at a time, in L1
// Only rows that the 2/3 rule keeps exist; the transforms along y read and write through tables that know it.
#pragma once

#include "../arena.hpp"
#include "../fft.hpp"
#include "../layout.hpp"
#include "kernel.hpp"

namespace lanes::LANES_ISA {

inline const Plan<float>& plan_of(const Plans& plans, float) { return plans.float32; }
inline const Plan<double>& plan_of(const Plans& plans, double) { return plans.float64; }

// Turn of a column: z -> z² where the innermost pass has it in registers, noting the largest |Re z| a + |Im z| b.
template <class V, bool Measured> struct Square {
    V peak;
    ScalarOf<V> a, b;

    template <int Radix> LANES_INLINE void operator()(Complex<V>* z) {
        butterfly<Radix, +1>(z);
        for (int i = 0; i < Radix; ++i) {
            if constexpr (Measured) peak = larger(absolute(z[i].re) * a + absolute(z[i].im) * b, peak);
            z[i] = {z[i].re * z[i].re - z[i].im * z[i].im, (z[i].re + z[i].re) * z[i].im};
        }
        butterfly<Radix, -1>(z);
    }
};

template <class Layout> class Grid {
    using T = typename Layout::Scalar;
    static constexpr int L = Layout::lanes;
    using V = Vector<T, L>;

    const int ny, nx, top_y, top_x, columns, row_length;
    const int tile_length = Layout::across_lines ? columns * L : 0;
    const int zero_row, spare_row;  // read and written for the modes that are not kept
    const Plan<T> along_y, along_x;
    const size_t component;  // numbers of one field
    const int tracers, carried;
    Complex<V>* field;  // z, then the tracers: on the way there two in one, on the way back the flux of each
    Complex<V>* buffer;  // a column of z, of each pair of tracers, and of a flux
    Complex<V>* tile;  // L rows before they are transposed; beyond nx it holds zeros, which stay so through all sweeps
    int *read_x, *write_x, *read_y, *write_y;

  public:
    // Rows +ky and −ky of a pair, ordered as a transform along x has them; `nx` long. `held` are those of two tracers.
    Complex<V>*line[2], *held[2];

    Grid(const Flow& flow, Arena& arena)
        : ny(flow.ny), nx(flow.nx), top_y(flow.largest_ky()), top_x(flow.largest_kx()), columns(Layout::columns(nx)),
          row_length(columns | 1),  // odd: a column's elements fall into different cache sets
          zero_row(2 * top_y + 1), spare_row(zero_row + 1), along_y(plan_of(flow.y, T{})),
          along_x(plan_of(flow.x, T{})), component(size_t(spare_row + 1) * row_length), tracers(flow.tracers),
          carried(flow.carried()) {
        for (auto*& row : line) row = arena.take<Complex<V>>(nx + 2);
        for (auto*& row : held) row = arena.take<Complex<V>>(tracers ? nx + 2 : 0);
        buffer = arena.take<Complex<V>>(size_t(tracers ? 2 + carried : 1) * ny);
        tile = arena.take<Complex<V>>(tile_length);
        read_x = arena.take<int>(nx);
        write_x = arena.take<int>(nx);
        read_y = arena.take<int>(ny);
        write_y = arena.take<int>(ny);
        field = arena.take<Complex<V>>((1 + tracers) * component);
        if (arena.base) tabulate();
    }

    // line[0], line[1] (or held) -> their rows of (ky, x) of a field, x in scrambled order
    void rows_to_grid(int pair, int which = 0) {
        Complex<V>* const* lines = which ? held : line;
        for (int sign = 0; sign < rows_of(pair); ++sign) {
            Complex<V>* points = Layout::across_lines ? tile : row(which, pair, 0, sign);
            go_there<V>(along_x, Gather<V>{lines[sign], read_x}, points);
            turn_round<V>(along_x, points, Arrive{});
            if (Layout::across_lines) turn_tiles<true>(which, pair, sign);
        }
    }

    // (ky, x) of a field -> line[0], line[1]; entries of modes that are not kept mean nothing
    void rows_from_grid(int pair, int which = 0) {
        for (int sign = 0; sign < rows_of(pair); ++sign) {
            Complex<V>* points = Layout::across_lines ? tile : row(which, pair, 0, sign);
            if (Layout::across_lines) turn_tiles<false>(which, pair, sign);
            turn_round<V>(along_x, points, Depart{});
            come_back<V>(along_x, points, Scatter<V>{line[sign], write_x});
        }
        if (rows_of(pair) == 1) {
            for (int i = 0; i < nx; ++i) line[1][i] = line[0][i];
        }
    }

    // z -> z² on the grid. With Measured, gives the largest |Re z| a + |Im z| b.
    template <bool Measured> V square(T a, T b) {
        Square<V, Measured> squared{V{}, a, b};
        for (int column = 0; column < columns; ++column) {
            go_there<V>(along_y, Gather<V>{field + column, read_y}, buffer);
            squared = turn_round<V>(along_y, buffer, squared);
            come_back<V>(along_y, buffer, Scatter<V>{field + column, write_y});
        }
        return squared.peak;
    }

    // The same, and each tracer c -> z c, its flux.
    template <bool Measured> V multiply(T a, T b) {
        Complex<V>*z = buffer, *pairs = z + ny, *flux = pairs + size_t(carried) * ny;
        V peak{};
        for (int column = 0; column < columns; ++column) {
            fetch(z, 0, column);
            for (int t = 0; t < carried; ++t) fetch(pairs + size_t(t) * ny, 1 + t, column);
            for (int j = 0; j < tracers; ++j) {
                const Complex<V>* c = pairs + size_t(j / 2) * ny;
                for (int i = 0; i < ny; ++i) flux[i] = z[i] * (j % 2 ? c[i].im : c[i].re);
                put_back(flux, 1 + j, column);
            }
            for (int i = 0; i < ny; ++i) {
                if constexpr (Measured) peak = larger(absolute(z[i].re) * a + absolute(z[i].im) * b, peak);
                z[i] = {z[i].re * z[i].re - z[i].im * z[i].im, (z[i].re + z[i].re) * z[i].im};
            }
            put_back(z, 0, column);
        }
        return peak;
    }

  private:
    // A column of a field to the grid, and back.
    void fetch(Complex<V>* points, int which, int column) {
        go_there<V>(along_y, Gather<V>{field + which * component + column, read_y}, points);
        turn_round<V>(along_y, points, Arrive{});
    }
    void put_back(Complex<V>* points, int which, int column) {
        turn_round<V>(along_y, points, Depart{});
        come_back<V>(along_y, points, Scatter<V>{field + which * component + column, write_y});
    }

    void tabulate() {
        for (int i = 0; i < nx; ++i) {
            const bool kept = i <= top_x || nx - i <= top_x;
            read_x[i] = kept ? i : nx;
            write_x[i] = kept ? i : nx + 1;
        }
        for (int i = 0; i < ny; ++i) {
            const int row = i <= top_y ? i : ny - i <= top_y ? top_y + ny - i : -1;
            read_y[i] = (row < 0 ? zero_row : row) * row_length;
            write_y[i] = (row < 0 ? spare_row : row) * row_length;
        }
        for (int sign = 0; sign < 2; ++sign) {
            line[sign][nx] = Complex<V>{};
            if (tracers) held[sign][nx] = Complex<V>{};
        }
        for (int which = 0; which <= tracers; ++which) {
            Complex<V>* zeros = field + which * component + size_t(zero_row) * row_length;
            for (int i = 0; i < row_length; ++i) zeros[i] = Complex<V>{};
        }
        for (int i = nx; i < tile_length; ++i) tile[i] = Complex<V>{};
    }

    // Row 0 is its own mirror image.
    static int rows_of(int pair) { return Layout::across_lines || pair ? 2 : 1; }

    // Where row ±ky of a lane lies in a field. Lanes beyond the last row hold zeros.
    Complex<V>* row(int which, int pair, int lane, int sign) const {
        const int ky = Layout::ky(pair, lane);
        const int index = ky > top_y ? zero_row : ky == 0 || sign == 0 ? ky : top_y + ky;
        return field + which * component + size_t(index) * row_length;
    }

    // L rows of points between the rows' view (lane = row) in `tile` and the columns' (lane = point) in `field`.
    template <bool ToGrid> void turn_tiles(int which, int pair, int sign) {
        Complex<V>* rows[L];
        for (int i = 0; i < L; ++i) rows[i] = row(which, pair, i, sign);
        for (int column = 0; column < columns; ++column) {
            Complex<V>* points = tile + column * L;
            V re[L], im[L];
            for (int i = 0; i < L; ++i) {
                const Complex<V> z = ToGrid ? points[i] : rows[i][column];
                re[i] = z.re;
                im[i] = z.im;
            }
            transpose(re);
            transpose(im);
            for (int i = 0; i < L; ++i) (ToGrid ? rows[i][column] : points[i]) = {re[i], im[i]};
        }
    }
};

}  // namespace lanes::LANES_ISA
