// A block of lanes from one output time to the next: load, march, store. Two sweeps a stage:
//     rows      every line of the grid: to values, the polynomials, back to modes
//     columns   every kx: back along the slow axes, 𝒩, the stage, the inputs of the next 𝒩, and out along the slow axes
// Neither 𝒩 nor a stage's argument is ever stored; the grid exists half transformed, (lines, kx), one line at a time
// whole.
// In one dimension both sweeps go over the lines themselves: `sweep_line` and `sweep_pairs`.
#pragma once

#include "plane.hpp"
#include "polynomials.hpp"
#include "schemes.hpp"

namespace lanes::family::LANES_ISA {

// S: the precision of the state, which may be finer than that of 𝒩, T.
template <class T, int L, class S, class Scheme, bool Dispersive> class Block {
    using V = Vector<T, L>;
    using State = std::conditional_t<sizeof(S) == sizeof(T), V, Twin<Vector<double, (L + 1) / 2>>>;
    using Factor = std::conditional_t<Dispersive, Complex<State>, State>;
    static constexpr int scalars = Dispersive ? 2 : 1;  // in a factor

    const Equation& equation;
    const bool flat;  // one dimension: no slow axes
    Member* const members;
    const int count, fields, columns, row_length, lines;
    const RealLine<V> fast;
    const Plane<V> plane;
    const Polynomials<V> polynomials;
    Input* sheet;  // the distinct inputs, derivatives along x left to the lines
    int* sheet_of;
    int sheets = 0;
    Complex<State>*state, *running;  // [kx][field][slow mode], [running value]; in one dimension as sweep_pairs goes
    Factor* table;                   // as the state, [table]
    Complex<T>* symbol;              // as the state
    Complex<V>** grid;               // [sheet or field] (lines, kx); none in one dimension
    Complex<V>** modes;              // [field] at one kx; in one dimension some pairs of them
    Complex<V>* packed;              // in one dimension these, on their way to the points
    Complex<V>** line;               // [input or field] one line of pairs of values
    Step<State> step;
    V peak{}, last{};

    static int most(int a, int b) { return a > b ? a : b; }

    Block(const Equation& shared, Member* first, int size, Arena& arena)
        : equation(shared), flat(shared.dimensions == 1), members(first), count(size), fields(shared.fields),
          columns(shared.columns()),
          row_length(flat ? shared.kept() : columns | 1),  // odd: other cache sets down a column
          lines(lines_of(shared)), fast(shared, arena), plane(shared, row_length, arena),
          polynomials(shared, first, size, arena) {
        const size_t total = size_t(columns) * fields * plane.modes;
        sheet = arena.take<Input>(equation.inputs);
        sheet_of = arena.take<int>(equation.inputs);
        list_sheets(arena.base != nullptr);
        state = arena.take<Complex<State>>(total);
        running = arena.take<Complex<State>>(total * Scheme::running);
        table = arena.take<Factor>(total * Scheme::tables);
        symbol = arena.take<Complex<T>>(total);
        const int grids = most(sheets, fields), rows = most(equation.inputs, fields);
        grid = arena.take<Complex<V>*>(grids);
        modes = arena.take<Complex<V>*>(fields);
        line = arena.take<Complex<V>*>(rows);
        const size_t one_grid = flat ? 0 : size_t(lines) * row_length;
        const size_t some_modes = flat ? 2 * fast.radix() : plane.modes;
        for (int i = 0; i < grids; ++i) keep(grid, i, arena.take<Complex<V>>(one_grid), arena);
        for (int i = 0; i < fields; ++i) keep(modes, i, arena.take<Complex<V>>(some_modes), arena);
        packed = arena.take<Complex<V>>(flat ? some_modes : 0);
        const size_t one_line = flat ? fast.radix() * fast.stride() : points() / 2;
        for (int i = 0; i < rows; ++i) keep(line, i, arena.take<Complex<V>>(one_line), arena);
        if (arena.base) tabulate();
    }

    template <class X> static void keep(X** list, int i, X* one, const Arena& arena) {
        if (arena.base) list[i] = one;
    }

  public:
    static size_t memory(const Equation& equation) {
        Arena arena{nullptr};
        Block(equation, nullptr, 0, arena);
        return arena.used;
    }

    static void advance(const Equation& equation, Member* members, int count, void* memory) {
        Arena arena{static_cast<char*>(memory)};
        Block block(equation, members, count, arena);
        block.load();
        block.march();
        block.store(block.state, 1);
        block.report_rates();
    }

    static void nonlinear(const Equation& equation, Member* members, int count, void* memory) {
        Arena arena{static_cast<char*>(memory)};
        Block block(equation, members, count, arena);
        block.load();
        block.template sweep_columns<0>();
        block.last = block.template sweep_rows<true>();
        block.template sweep_columns<collected>();
        block.store(block.running, Scheme::running);
        block.report_rates();
    }

  private:
    static int lines_of(const Equation& equation) {
        int count = 1;
        for (int axis = 0; axis < equation.fastest(); ++axis) count *= equation.points[axis];
        return count;
    }
    int points() const { return equation.points[equation.fastest()]; }

    // Inputs that differ by a derivative along x share a sheet. In one dimension it is their field's.
    void list_sheets(bool write) {
        if (flat) {
            sheets = fields;
            for (int i = 0; write && i < equation.inputs; ++i) sheet_of[i] = equation.input[i].field;
            return;
        }
        for (int i = 0; i < equation.inputs; ++i) {
            int before = 0, distinct = 0;
            for (; before < i && !same_sheet(before, i); ++before) distinct += first_of_sheet(before);
            if (write) sheet_of[i] = distinct;
            if (before < i) continue;
            if (write) sheet[sheets] = {equation.input[i].field, slow_axis(i)};
            ++sheets;
        }
    }
    bool first_of_sheet(int i) const {
        for (int before = 0; before < i; ++before) {
            if (same_sheet(before, i)) return false;
        }
        return true;
    }
    int slow_axis(int i) const { return equation.input[i].axis == equation.fastest() ? -1 : equation.input[i].axis; }
    bool same_sheet(int i, int j) const {
        return equation.input[i].field == equation.input[j].field && slow_axis(i) == slow_axis(j);
    }

    void march() {
        long longest = 0;
        for (int i = 0; i < count; ++i) longest = members[i].steps > longest ? members[i].steps : longest;
        load_tables();
        sweep_columns<0>();
        for (long done = 0; done < longest; ++done) {
            set_step(done);
            peak = select(convert<V>(step.live), larger(sweep_rows<true>(), peak), peak);
            sweep_columns<1>();
            sweep_rows<false>();
            sweep_columns<2>();
            sweep_rows<false>();
            sweep_columns<3>();
            sweep_rows<false>();
            sweep_columns<4>();
        }
        last = sweep_rows<true>();
    }

    // With Measured, gives the greatest rate of 𝒩.
    template <bool Measured> V sweep_rows() {
        if (flat) return sweep_line<Measured>();
        const int radix = innermost_radix();
        V rate{};
        for (int row = 0; row < lines; ++row) {
            const size_t at = size_t(row) * row_length;
            for (int i = 0; i < equation.inputs; ++i) {
                fast.go(grid[sheet_of[i]] + at, equation.input[i].axis == equation.fastest(), line[i]);
            }
            rate = polynomials.template turn<Measured>(radix, line, 0, points() / 2, rate);
            for (int i = 0; i < fields; ++i) fast.come(line[i], grid[i] + at);
        }
        return rate;
    }
    int innermost_radix() const { return fast.plan.passes[fast.plan.count - 1].radix; }

    // In one dimension the lines stand between the outermost passes. A block of theirs after the other, in L1.
    template <bool Measured> V sweep_line() {
        const int radix = innermost_radix(), size = fast.groups();
        V rate{};
        for (int block = 0; block < fast.radix(); ++block) {
            const int start = block * fast.stride();
            for (int i = 0; i < equation.inputs; ++i) middle_passes<false>(fast.plan, line[i] + start);
            rate = polynomials.template turn<Measured>(radix, line, start, start + size, rate);
            for (int i = 0; i < fields; ++i) middle_passes<true>(fast.plan, line[i] + start);
        }
        return rate;
    }

    // What sweep_columns does, in one dimension: a few pairs of modes at a time. A field that is the only input, as in
    // most equations there, goes on to its line while a pair is in registers.
    template <int Stage> void sweep_pairs() {
        const bool lone = Stage != collected && fields == 1 && equation.inputs == 1;
        const bool lone_slope = lone && equation.input[0].axis == 0;
        int first = 0;  // of the modes of a field that this p brings
        for (int p = 0; 2 * p <= fast.groups(); ++p) {
            int after = first;
            for (int field = 0; field < fields; ++field) {
                Complex<V>* own = modes[field];
                size_t next = size_t(field) * plane.modes + first;
                if (Stage > 0) fast.receive(line[field], p, own);
                if (p == 0) {
                    own[0] = advance_mode<Stage>(next++, fast.unpack_mean(own[0]));
                    if (lone) own[0] = fast.pack_mean(lone_slope, own[0]);
                }
                fast.each_pair(p, [&](int k, int at, int mirror) {
                    Complex<V> a, b;
                    fast.unpack(k, own[at], own[mirror], a, b);
                    a = k <= top() ? advance_mode<Stage>(next++, a) : Complex<V>{};
                    if (at == mirror) b = a;
                    else b = points() / 2 - k <= top() ? advance_mode<Stage>(next++, b) : Complex<V>{};
                    if (lone) fast.pack(k, lone_slope, a, b, a, b);
                    own[at] = a;
                    own[mirror] = b;
                });
                after = int(next - size_t(field) * plane.modes);
            }
            first = after;
            if (lone) {
                fast.send(modes[0], p, line[0]);
                continue;
            }
            for (int i = 0; Stage != collected && i < equation.inputs; ++i) {
                const bool slope = equation.input[i].axis == 0;
                const Complex<V>* own = modes[equation.input[i].field];
                if (p == 0) packed[0] = fast.pack_mean(slope, own[0]);
                fast.each_pair(p, [&](int k, int at, int mirror) {
                    fast.pack(k, slope, own[at], own[mirror], packed[at], packed[mirror]);
                });
                fast.send(packed, p, line[i]);
            }
        }
    }
    int top() const { return equation.top[equation.fastest()]; }

    // 𝒩 before its symbol -> the argument of the next 𝒩.
    template <int Stage> LANES_INLINE Complex<V> advance_mode(size_t at, Complex<V> before_symbol) {
        Complex<State>& u = state[at];
        if constexpr (Stage == 0) return convert<V>(u);
        const Complex<State> n = convert<State>(times_symbol(before_symbol, symbol[at]));
        Complex<State>* own = running + at * Scheme::running;
        if constexpr (Stage == collected) {
            *own = n;
            return before_symbol;
        } else {
            return convert<V>(Scheme::template stage<Stage>(step, table + at * Scheme::tables, u, own, n));
        }
    }

    static constexpr int collected = 5;  // after the four stages: 𝒩 goes to the running value; 0 only sends the state

    // 𝒩 of one stage at one kx, straight into the next stage's argument and on to the lines.
    template <int Stage> void sweep_columns() {
        if (flat) return sweep_pairs<Stage>();
        for (int column = 0; column < columns; ++column) {
            for (int field = 0; field < fields; ++field) {
                Complex<V>* own = modes[field];
                if (Stage > 0) plane.from_lines(grid[field] + column, own);
                const size_t first = (size_t(column) * fields + field) * plane.modes;
                for (int i = 0; i < plane.modes; ++i) own[i] = advance_mode<Stage>(first + i, own[i]);
            }
            for (int i = 0; Stage != collected && i < sheets; ++i) {
                plane.to_lines(modes[sheet[i].field], sheet[i].axis, grid[i] + column);
            }
        }
    }

    static LANES_INLINE Complex<V> times_symbol(Complex<V> a, Complex<T> b) {
        return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
    }

    void set_step(long done) {
        for (int i = 0; i < L; ++i) {
            const bool live = i < count && done < members[i].steps;
            const double h = live ? members[i].step : 0;
            lane<S>(step.whole, i) = S(h);
            lane<S>(step.half, i) = S(h / 2);
            lane<S>(step.third, i) = S(h / 3);
            lane<S>(step.sixth, i) = S(h / 6);
            lane<S>(step.live, i) = live;
        }
    }

    // Calls visit(index in the state, index among the kept modes of all fields, index in a member's `rfftn` array).
    template <class Visit> void each_mode(Visit visit) const {
        const int nx = points() / 2 + 1, kept = equation.kept();
        for (int column = 0; column < columns; ++column) {
            for (int field = 0; field < fields; ++field) {
                size_t own = (size_t(column) * fields + field) * plane.modes;
                if (flat) {
                    fast.each_mode([&](int k) { visit(own++, size_t(field) * kept + k, size_t(field) * nx + k); });
                    continue;
                }
                for (int i = 0; i < plane.modes; ++i) {
                    visit(own++, size_t(field) * kept + size_t(i) * columns + column,
                          (size_t(field) * lines + line_of(i)) * nx + column);
                }
            }
        }
    }

    // Where slow mode i lies among the lines of a member's `rfftn` array.
    size_t line_of(int i) const {
        const int axis = equation.dimensions - 2, y = i % equation.count_of(axis), z = i / equation.count_of(axis);
        const size_t row = wrapped(axis, y);
        return axis == 0 ? row : wrapped(0, z) * equation.points[1] + row;
    }
    size_t wrapped(int axis, int i) const {
        return i <= equation.top[axis] ? i : equation.points[axis] - equation.count_of(axis) + i;
    }

    void tabulate() {
        const T scale = flat ? fast.scale : T(1);
        each_mode([&](size_t own, size_t kept, size_t) {
            symbol[own] = {T(equation.symbol[2 * kept]) * scale, T(equation.symbol[2 * kept + 1]) * scale};
        });
    }

    void load_tables() {
        const size_t stride = size_t(fields) * equation.kept() * scalars;
        each_mode([&](size_t own, size_t kept, size_t) {
            for (int t = 0; t < Scheme::tables; ++t) {
                S* target = reinterpret_cast<S*>(table + own * Scheme::tables + t);
                for (int part = 0; part < scalars; ++part) {
                    for (int i = 0; i < L; ++i) {
                        const bool here = i < count && members[i].tables;
                        target[part * L + i] = here ? S(members[i].tables[t * stride + kept * scalars + part]) : S(0);
                    }
                }
            }
        });
    }

    void load() {
        each_mode([this](size_t own, size_t, size_t at) {
            S* target = reinterpret_cast<S*>(state + own);
            for (int i = 0; i < L; ++i) {
                const S* source = i < count ? static_cast<const S*>(members[i].state) + 2 * at : nullptr;
                target[i] = source ? source[0] : S(0);
                target[L + i] = source ? source[1] : S(0);
            }
        });
    }

    void store(const Complex<State>* array, int stride) const {
        each_mode([&](size_t own, size_t, size_t at) {
            const S* source = reinterpret_cast<const S*>(array + own * stride);
            for (int i = 0; i < count; ++i) {
                S* target = static_cast<S*>(members[i].result) + 2 * at;
                target[0] = source[i];
                target[1] = source[L + i];
            }
        });
    }

    void report_rates() {
        for (int i = 0; i < count; ++i) {
            members[i].peak_rate = lane<T>(peak, i);
            members[i].last_rate = lane<T>(last, i);
        }
    }
};

}  // namespace lanes::family::LANES_ISA
