// The kernels of one instruction set. An isa_*.cpp gives its name and the bytes of a register, and includes this.
#pragma once

#include "cg.hpp"

namespace lanes::multigrid::LANES_ISA {

template <class S> void* build(const Form& given, Memory memory) {
    auto* s = static_cast<Solver<S>*>(memory.take(memory.owner, sizeof(Solver<S>), 1));
    const Grid grid(given.dim, given.size, given.wraps);
    s->grid = grid;
    s->singular = given.singular;
    Natural<S> form = {given.dim, {}, {}, {}, nullptr};
    for (int a = 0; a < 3; ++a) form.size[a] = given.size[a], form.wraps[a] = given.wraps[a];
    const size_t count = form.count();

    double largest = 0;
    const auto look = [&](const double* values, size_t n) {
        for (size_t i = 0; i < n; ++i) largest = values[i] > largest ? values[i] : largest;
    };
    for (int a = 3 - given.dim; a < 3; ++a) look(given.faces[a], form.face_count(a));
    double shifts = 0;
    for (size_t i = 0; i < count; ++i) shifts = given.shift[i] > shifts ? given.shift[i] : shifts;
    largest = shifts > largest ? shifts : largest;
    const double scale = largest > 0 ? 1 / largest : 1;

    for (int a = 3 - given.dim; a < 3; ++a) {
        double* faces = new_array<double>(grid, memory, faces_of);
        pack(grid, given.faces[a], faces, a);
        s->faces[a] = faces;
        form.faces[a] = plain<S>(form.face_count(a), memory);
        const size_t n = form.face_count(a);
        for (size_t i = 0; i < n; ++i) form.faces[a][i] = S(given.faces[a][i] * scale);
    }
    s->shift = nullptr;
    if (shifts > 0) {
        double* shift = new_array<double>(grid, memory, right_side);
        pack(grid, given.shift, shift);
        s->shift = shift;
    }
    form.shift = plain<S>(count, memory);
    for (size_t i = 0; i < count; ++i) form.shift[i] = S(given.shift[i] * scale);
    double** const arrays[] = {&s->x, &s->b, &s->r, &s->p, &s->q, &s->z};
    for (double** array : arrays) *array = new_array<double>(grid, memory, right_side);
    build(s->hierarchy, form, given.singular, memory);
    // The cycle works on A · scale, so its result is divided by 1/scale = largest.
    s->hierarchy.scale = 1 / scale;
    return s;
}

template <class S> Outcome solve_any(void* solver, const double* rhs, double* x, double tolerance, int limit) {
    auto& s = *static_cast<Solver<S>*>(solver);
    if (s.grid.dim == 1) return solve<1>(s, rhs, x, tolerance, limit);
    if (s.grid.dim == 2) return solve<2>(s, rhs, x, tolerance, limit);
    return solve<3>(s, rhs, x, tolerance, limit);
}

template <class S> void cycle_any(void* solver, const double* rhs, double* x) {
    auto& s = *static_cast<Solver<S>*>(solver);
    if (s.grid.dim == 1) return apply_cycle<1>(s, rhs, x);
    if (s.grid.dim == 2) return apply_cycle<2>(s, rhs, x);
    return apply_cycle<3>(s, rhs, x);
}

template <class S> int levels(const void* solver) { return static_cast<const Solver<S>*>(solver)->hierarchy.depth + 1; }

#define LANES_TEXT(name) #name
#define LANES_NAME(name) LANES_TEXT(name)
constexpr Kernel all[] = {
    {LANES_NAME(LANES_ISA), true, build<float>, solve_any<float>, cycle_any<float>, levels<float>},
    {LANES_NAME(LANES_ISA), false, build<double>, solve_any<double>, cycle_any<double>, levels<double>},
};

}  // namespace lanes::multigrid::LANES_ISA
