// Sparse polynomials of the inputs, point by point, each lane with its own coefficients: 𝒩 before its symbol, and the
// rate, max over x of Σ |parts|. Sums of a strip of points stay in registers while the terms pass by.
#pragma once

#include "real.hpp"

namespace lanes::family::LANES_ISA {

template <class V> class Polynomials {
    using T = ScalarOf<V>;
    static constexpr int L = sizeof(V) / sizeof(T), strip = 8;
    const Equation& equation;
    const bool square;  // of the only input, with its own size for a rate: what most equations in one dimension have
    V* coefficient;
    int* end;  // of each target's terms

  public:
    Polynomials(const Equation& equation, const Member* members, int count, Arena& arena)
        : equation(equation), square(is_square(equation)), coefficient(arena.take<V>(equation.terms)),
          end(arena.take<int>(equation.fields + equation.rates)) {
        if (!arena.base) return;
        for (int t = 0; t < equation.terms; ++t) {
            for (int i = 0; i < L; ++i) lane<T>(coefficient[t], i) = i < count ? T(members[i].coefficients[t]) : T(0);
        }
        for (int target = 0, t = 0; target < equation.fields + equation.rates; ++target) {
            while (t < equation.terms && equation.term[t].target == target) ++t;
            end[target] = t;
        }
    }

    // Innermost passes of all inputs there, the polynomials, and those of all fields back, a butterfly's points at a
    // time: points first … last − 1 of lines[input] -> those of lines[field], in place. With Measured, gives the
    // greatest rate or `peak`.
    template <bool Measured> V turn(int radix, Complex<V>* const* lines, int first, int last, V peak) const {
        with_radix(radix, [&](auto chosen) {
            constexpr int R = decltype(chosen)::radix;
            peak = square ? square_by<Measured, R>(lines[0], first, last, peak)
                          : turn_by<Measured, R>(lines, first, last, peak);
        });
        return peak;
    }

  private:
    static bool is_square(const Equation& equation) {
        const Term* term = equation.term;
        return equation.inputs == 1 && equation.fields == 1 && equation.rates == 1 && equation.terms == 2 &&
               term[0].target == 0 && term[0].degree == 2 && term[1].target == 1 && term[1].degree == 1;
    }

    // All of it in registers: the same bits as by `turn_by`, as rounding keeps the order of |rate| times sizes.
    template <bool Measured, int Radix> V square_by(Complex<V>* line, int first, int last, V peak) const {
        const V c = coefficient[0], rate = coefficient[1];
        V highest{}, lowest{};
        for (int at = first; at < last; at += Radix) {
            Complex<V> a[Radix];
            for (int j = 0; j < Radix; ++j) a[j] = line[at + j];
            butterfly<Radix, +1>(a);
            for (int j = 0; j < Radix; ++j) {
                if constexpr (Measured) {
                    highest = larger(a[j].im, larger(a[j].re, highest));
                    lowest = smaller(a[j].im, smaller(a[j].re, lowest));
                }
                a[j] = {(c * a[j].re) * a[j].re, (c * a[j].im) * a[j].im};
            }
            butterfly<Radix, -1>(a);
            for (int j = 0; j < Radix; ++j) line[at + j] = a[j];
        }
        return larger(absolute(rate * larger(highest, -lowest)), peak);
    }

    template <bool Measured, int Radix> V turn_by(Complex<V>* const* lines, int first, int last, V peak) const {
        Complex<V> points[most_inputs][Radix];
        V* values[most_inputs];
        for (int i = 0; i < most_inputs; ++i) values[i] = &points[i][0].re;
        for (int at = first; at < last; at += Radix) {
            for (int i = 0; i < equation.inputs; ++i) {
                Complex<V> a[Radix];
                for (int j = 0; j < Radix; ++j) a[j] = lines[i][at + j];
                butterfly<Radix, +1>(a);
                for (int j = 0; j < Radix; ++j) points[i][j] = a[j];
            }
            constexpr int strips = 2 * Radix / strip * strip;
            for (int x = 0; x < strips; x += strip) peak = apply<Measured, strip>(values, x, peak);
            if constexpr (strips < 2 * Radix) peak = apply<Measured, 2 * Radix - strips>(values, strips, peak);
            for (int i = 0; i < equation.fields; ++i) {
                Complex<V> a[Radix];
                for (int j = 0; j < Radix; ++j) a[j] = points[i][j];
                butterfly<Radix, -1>(a);
                for (int j = 0; j < Radix; ++j) lines[i][at + j] = a[j];
            }
        }
        return peak;
    }

    // values[input] -> values[field] in place, `Count` points.
    template <bool Measured, int Count> LANES_INLINE V apply(V* const* values, int at, V peak) const {
        V out[most_fields][Count];
        for (int field = 0; field < equation.fields; ++field) sum(field, values, at, out[field]);
        if constexpr (Measured) {
            V rate[Count] = {}, part[Count];
            for (int i = 0; i < equation.rates; ++i) {
                sum(equation.fields + i, values, at, part);
                for (int x = 0; x < Count; ++x) rate[x] = rate[x] + absolute(part[x]);
            }
            for (int x = 0; x < Count; ++x) peak = larger(rate[x], peak);
        }
        for (int field = 0; field < equation.fields; ++field) {
            for (int x = 0; x < Count; ++x) values[field][at + x] = out[field][x];
        }
        return peak;
    }

    template <int Count> LANES_INLINE void sum(int target, V* const* values, int at, V (&total)[Count]) const {
        V all[Count] = {};
        for (int t = target ? end[target - 1] : 0; t < end[target]; ++t) {
            const Term& term = equation.term[t];
            const V c = coefficient[t];
            const V* a = values[term.factor[0]] + at;
            const V* b = values[term.factor[1]] + at;
            const V* d = values[term.factor[2]] + at;
            switch (term.degree) {
                case 0:
                    for (int x = 0; x < Count; ++x) all[x] = all[x] + c;
                    break;
                case 1:
                    for (int x = 0; x < Count; ++x) all[x] = all[x] + c * a[x];
                    break;
                case 2:
                    for (int x = 0; x < Count; ++x) all[x] = all[x] + (c * a[x]) * b[x];
                    break;
                case 3:
                    for (int x = 0; x < Count; ++x) all[x] = all[x] + (c * a[x]) * (b[x] * d[x]);
                    break;
            }
        }
        for (int x = 0; x < Count; ++x) total[x] = all[x];
    }
};

}  // namespace lanes::family::LANES_ISA
