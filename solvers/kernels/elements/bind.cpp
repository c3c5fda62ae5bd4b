// The Python side: shapes are checked here.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "../cpu.hpp"
#include "kernel.hpp"

namespace py = pybind11;
using namespace lanes;
using elements::Cells;
using elements::Kernels;
using elements::Matrix;
using elements::Velocity;

namespace {

using Doubles = py::array_t<double, py::array::c_style>;
using Numbers = py::array_t<std::int32_t, py::array::c_style>;

Kernels called(const std::string& name) {
#ifdef __x86_64__
    if (has_avx512() && (name.empty() || name == "avx512")) return elements::kernels_avx512();
    if (has_avx2() && (name.empty() || name == "avx2")) return elements::kernels_avx2();
#endif
    if (name.empty() || name == "baseline") return elements::kernels_baseline();
    throw py::value_error("no instruction set " + name + " on this machine");
}

void require(bool holds, const char* what) {
    if (!holds) throw py::value_error(what);
}

// Whether all numbers lie in low ... high - 1.
bool within(const Kernels& kernels, const Numbers& numbers, std::int32_t low, py::ssize_t high) {
    if (numbers.size() == 0) return true;
    const elements::Range range = kernels.range(numbers.data(), numbers.size());
    return range.least >= low && range.most < high;
}

bool rising(const Numbers& numbers) {
    const std::int32_t* at = numbers.data();
    int falls = 0;
    for (py::ssize_t i = 1; i < numbers.size(); ++i) falls |= at[i] < at[i - 1];
    return !falls;
}

Velocity velocity_of(const Doubles& velocity) {
    require(velocity.ndim() == 2 && velocity.shape(0) == 2, "velocity must be (2, n)");
    return {velocity.data(), velocity.data() + velocity.shape(1)};
}

Cells cells_of(const Kernels& kernels, const Numbers& unknowns, const Doubles& slopes, py::ssize_t size) {
    require(unknowns.ndim() == 2 && unknowns.shape(1) == 6, "cells must be (cell, 6)");
    require(within(kernels, unknowns, 0, size), "cells must hold unknowns of the velocity");
    require(slopes.ndim() == 3 && slopes.shape(0) == 2 && slopes.shape(1) == unknowns.shape(0) && slopes.shape(2) == 3,
            "slopes must be (2, cell, 3)");
    return {unknowns.data(), slopes.data(), unknowns.shape(0)};
}

Matrix matrix_of(const Kernels& kernels, const Numbers& starts, const Numbers& columns, const Doubles& values,
                 py::ssize_t width) {
    require(starts.size() > 0 && columns.size() == values.size() && starts.data()[0] == 0 &&
                starts.data()[starts.size() - 1] == columns.size() && rising(starts),
            "the matrix's parts do not fit one another");
    require(within(kernels, columns, 0, width), "columns must be those of the vector");
    return {starts.data(), columns.data(), values.data(), starts.size() - 1, width};
}

void transport(const Doubles& velocity, const Numbers& unknowns, const Doubles& slopes, const Doubles& reference,
               const Numbers& places, Doubles values, const std::string& isa) {
    const Velocity parts = velocity_of(velocity);
    const Kernels kernels = called(isa);
    const Cells cells = cells_of(kernels, unknowns, slopes, velocity.shape(1));
    require(reference.size() == 18 * 36 && places.size() == 36 * cells.count,
            "reference must be (18, 36), places (cell, 36)");
    require(within(kernels, places, -1, values.size()), "places must be those of values, or -1");
    double* target = values.mutable_data();
    py::gil_scoped_release released;
    kernels.transport(cells, parts, reference.data(), places.data(), target);
}

double courant(const Doubles& velocity, const Numbers& unknowns, const Doubles& slopes, const std::string& isa) {
    const Velocity parts = velocity_of(velocity);
    const Kernels kernels = called(isa);
    const Cells cells = cells_of(kernels, unknowns, slopes, velocity.shape(1));
    py::gil_scoped_release released;
    return kernels.courant(cells, parts);
}

Doubles multiply(const Numbers& starts, const Numbers& columns, const Doubles& values, const Doubles& x,
                 const std::string& isa) {
    require(x.ndim() == 1 || (x.ndim() == 2 && x.shape(0) == 2), "x must be (n,) or (2, n)");
    const Kernels kernels = called(isa);
    const Matrix matrix = matrix_of(kernels, starts, columns, values, x.shape(x.ndim() - 1));
    const int vectors = int(x.ndim());
    Doubles product(vectors == 1 ? std::vector<py::ssize_t>{matrix.rows} : std::vector<py::ssize_t>{2, matrix.rows});
    double* target = product.mutable_data();
    py::gil_scoped_release released;
    kernels.multiply(matrix, x.data(), vectors, target);
    return product;
}

py::tuple bicgstab(const Numbers& starts, const Numbers& columns, const Doubles& values, const Doubles& rhs, double rtol,
                   int limit, const std::string& isa) {
    velocity_of(rhs);
    require(rhs.shape(1) == starts.size() - 1, "rhs must be (2, rows)");
    const Kernels kernels = called(isa);
    const Matrix matrix = matrix_of(kernels, starts, columns, values, rhs.shape(1));
    Doubles x({py::ssize_t(2), py::ssize_t(matrix.rows)});
    double* target = x.mutable_data();
    elements::Outcome outcome;
    {
        py::gil_scoped_release released;
        static thread_local std::vector<double> memory;  // kept: new pages cost as much as some iterations
        memory.resize(size_t(elements::needed(matrix.rows)));
        outcome = kernels.bicgstab(matrix, rhs.data(), rtol, limit, target, memory.data());
    }
    return py::make_tuple(x, py::make_tuple(outcome.iterations[0], outcome.iterations[1]),
                          py::make_tuple(outcome.residual[0], outcome.residual[1]));
}

}  // namespace

void bind_elements(py::module_& module) {
    using py::arg;
    module.def("elements_transport", transport, arg("velocity").noconvert(), arg("cells").noconvert(),
               arg("slopes").noconvert(), arg("reference").noconvert(), arg("places").noconvert(),
               arg("values").noconvert(), arg("isa") = "", "Adds the matrix of convection to `values`.");
    module.def("elements_courant", courant, arg("velocity").noconvert(), arg("cells").noconvert(),
               arg("slopes").noconvert(), arg("isa") = "", "The greatest |u . slope|.");
    module.def("elements_multiply", multiply, arg("starts").noconvert(), arg("columns").noconvert(),
               arg("values").noconvert(), arg("x").noconvert(), arg("isa") = "", "A x of one vector, (n,), or two, (2, n).");
    module.def("elements_bicgstab", bicgstab, arg("starts").noconvert(), arg("columns").noconvert(),
               arg("values").noconvert(), arg("rhs").noconvert(), arg("rtol"), arg("limit"), arg("isa") = "",
               "x of A x = b for two b at once, (2, n), iterations and true relative residuals.");
}
