// Lines along z, in the first-level cache: from the products to 𝒩, the Runge–Kutta stage, and on to the velocities of
// the next one. Lanes are neighbouring kx. Neither 𝒩 nor a stage's argument is ever stored.
#pragma once

#include <math.h>

#include "../navier_stokes_2d/step.hpp"
#include "axis.hpp"

namespace lanes::navier_stokes_3d::LANES_ISA {

// S: the precision of the state, which may be finer than T, that of the right-hand side.
template <class T, int L, class S> class Lines {
    using V = Vector<T, L>;
    using State = std::conditional_t<sizeof(S) == sizeof(T), V, Twin<Vector<double, (L + 1) / 2>>>;

    const Box& box;
    const Share& share;
    const LineJob& job;
    const int blocks, rows;
    Axis<V> z;
    Complex<V>* points;  // of a line along z
    Complex<V>* line[5];
    V* kx;
    T* kz;
    State* decay_x;  // exp(ℒh/2) is the product of one of each axis
    S* decay_z;
    Step<State> step;

    Lines(const Box& shared, const Share& own, const LineJob& given, Arena& arena)
        : box(shared), share(own), job(given), blocks((box.modes() + L - 1) / L), rows(box.rows(0)), z(box, 0, arena),
          points(arena.take<Complex<V>>(box.points[0])) {
        for (auto*& one : line) one = arena.take<Complex<V>>(rows + 2);
        kx = arena.take<V>(blocks);
        kz = arena.take<T>(rows);
        decay_x = arena.take<State>(blocks);
        decay_z = arena.take<S>(rows);
        if (arena.base) tabulate();
    }

  public:
    static size_t memory(const Box& box) {
        Arena arena{nullptr};
        Lines(box, Share{}, LineJob{}, arena);
        return arena.used;
    }

    static void run(const Box& box, const Share& share, const LineJob& job, void* memory) {
        Arena arena{static_cast<char*>(memory)};
        Lines lines(box, share, job, arena);
        switch (job.stage) {
            case begin: return lines.template sweep<begin>();
            case 1: return lines.template sweep<1>();
            case 2: return lines.template sweep<2>();
            case 3: return lines.template sweep<3>();
            case last_stage: return lines.template sweep<last_stage>();
            case collect: return lines.template sweep<collect>();
        }
    }

  private:
    template <int Now> void sweep() {
        for (int row = job.first; row < job.last; ++row) {
            const int number = Box::number(share.first_row[share.own] + row, box.largest(1));
            for (int block = 0; block < blocks; ++block) {
                if constexpr (Now != begin) receive(row, block);
                update<Now>(row, block, number);
                if (job.onward) send(row, block);
            }
        }
    }

    // Where a slot's line of points begins in a line buffer, and how far apart they are.
    size_t start(int slot, int row, int block) const {
        return (size_t(slot) * share.rows(share.own) + row) * blocks + block;
    }
    size_t stride(int slots) const { return size_t(slots) * share.rows(share.own) * blocks; }

    // The next line lies beside this one, plane by plane, too far apart for the processor to guess: hence `fetch`.

    void receive(int row, int block) {
        for (int slot = 0; slot < 5; ++slot) {
            const Complex<V>* from = static_cast<const Complex<V>*>(job.products) + start(slot, row, block);
            const size_t apart = stride(5);
            for (int i = 0; i < z.points; ++i) {
                points[i] = from[i * apart];
                fetch<to_read>(from + i * apart + 1);
            }
            z.depart(points);
            z.come(points, line[slot]);
        }
    }

    void send(int row, int block) {
        for (int slot = 0; slot < 3; ++slot) {
            line[slot][rows] = Complex<V>{};
            z.go(line[slot], points);
            z.arrive(points);
            Complex<V>* to = static_cast<Complex<V>*>(job.velocity) + start(slot, row, block);
            const size_t apart = stride(3);
            for (int i = 0; i < z.points; ++i) {
                to[i * apart] = points[i];
                fetch<to_write>(to + i * apart + 1);
            }
        }
    }

    // The modes of a line: 𝒩 = −i (f − k (k·f)/|k|²) with fᵢ = Σ kⱼ (uᵢuⱼ), then the stage.
    template <int Now> void update(int row, int block, int number) {
        const size_t first = (size_t(row) * blocks + block) * rows * 3;
        Complex<State>* u = static_cast<Complex<State>*>(job.state) + first;
        Complex<State>* sum = static_cast<Complex<State>*>(job.sum) + first;
        const T y = T(2 * M_PI * number / box.lengths[1]);
        const V x = kx[block];
        const double wave = 2 * M_PI * number / box.lengths[1];
        const S decay_y = S(exp(-job.viscosity * wave * wave * job.step / 2));
        const T scale = T(0.5) / (T(box.points[0]) * T(box.points[1]) * T(box.points[2]));
        for (int k = 0; k < rows; ++k, u += 3, sum += 3) {
            Complex<V> n[3];
            if constexpr (Now != begin) {
                const T z = kz[k];
                const Complex<V> xx = line[0][k] * T(0.5), xy = line[1][k] * T(0.5);
                const Complex<V> xz = line[2][k], yz = line[3][k], zz = line[4][k];
                const Complex<V> f[3] = {xx * x + xy * y + xz * z, xy * x - xx * y + yz * z, xz * x + yz * y + zz * z};
                const V squared = x * x + (y * y + z * z);
                const V inverse = select(squared, V{} + T(1), V{}) / select(squared, squared, V{} + T(1));
                const Complex<V> along = (f[0] * x + f[1] * y + f[2] * z) * inverse;
                const Complex<V> rest[3] = {f[0] - along * x, f[1] - along * y, f[2] - along * z};
                for (int i = 0; i < 3; ++i) n[i] = {rest[i].im * scale, -(rest[i].re * scale)};
            }
            const State decay = decay_x[block] * (decay_y * decay_z[k]);
            for (int i = 0; i < 3; ++i) {
                if constexpr (Now == begin) {
                    line[i][k] = convert<V>(u[i]);
                } else if constexpr (Now == collect) {
                    sum[i] = convert<State>(n[i]);
                } else {
                    line[i][k] = convert<V>(step.template stage<Now>(u[i], sum[i], convert<State>(n[i]), decay));
                }
            }
        }
    }

    void tabulate() {
        const double unit_z = 2 * M_PI / box.lengths[0], unit_x = 2 * M_PI / box.lengths[2];
        const double half = job.viscosity * job.step / 2;
        for (int k = 0; k < rows; ++k) {
            const double wave = unit_z * Box::number(k, box.largest(0));
            kz[k] = T(wave);
            decay_z[k] = S(exp(-half * wave * wave));
        }
        for (int block = 0; block < blocks; ++block) {
            for (int i = 0; i < L; ++i) {
                const double wave = unit_x * (block * L + i);
                lane<T>(kx[block], i) = T(wave);
                lane<S>(decay_x[block], i) = S(exp(-half * wave * wave));
            }
        }
        for (int i = 0; i < L; ++i) {
            lane<S>(step.whole, i) = S(job.step);
            lane<S>(step.half, i) = S(job.step / 2);
            lane<S>(step.third, i) = S(job.step / 3);
            lane<S>(step.sixth, i) = S(job.step / 6);
            lane<S>(step.live, i) = S(1);
        }
    }
};

}  // namespace lanes::navier_stokes_3d::LANES_ISA
