// The Python side of the sweeps, and Gram-Schmidt on one rank in a single call.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cmath>
#include <limits>
#include <vector>

#include "../cpu.hpp"
#include "sweeps.hpp"

namespace py = pybind11;
using namespace lanes;
using krylov::Basis;
using krylov::Sweeps;

namespace {

using Doubles = py::array_t<double, py::array::c_style>;

const Sweeps& machine() {
    static const Sweeps best = [] {
#ifdef __x86_64__
        if (has_avx512()) return krylov::sweeps_avx512();
        if (has_avx2()) return krylov::sweeps_avx2();
#endif
        return krylov::sweeps_baseline();
    }();
    return best;
}

Sweeps called(const std::string& name) {
    if (name.empty()) return machine();
    if (name == "baseline") return krylov::sweeps_baseline();
#ifdef __x86_64__
    if (name == "avx2" && has_avx2()) return krylov::sweeps_avx2();
    if (name == "avx512" && has_avx512()) return krylov::sweeps_avx512();
#endif
    throw py::value_error("no instruction set " + name + " on this machine");
}

Basis basis_of(Doubles& q, int count) {
    if (q.ndim() != 2 || count < 0 || count >= q.shape(0)) {
        throw py::value_error("count must name a row of a two-dimensional block, with those before it");
    }
    double* rows = q.mutable_data();
    return {rows, rows + count * q.shape(1), q.shape(1), q.shape(1), count};
}

double* sized(Doubles& array, int size, const char* what) {
    if (array.ndim() != 1 || array.shape(0) < size) {
        throw py::value_error(std::string(what) + " must have at least " + std::to_string(size) + " entries");
    }
    return array.mutable_data();
}

void project(Doubles q, int count, Doubles found, const std::string& isa) {
    const Basis basis = basis_of(q, count);
    double* target = sized(found, count + 1, "found");
    const Sweeps sweeps = called(isa);
    py::gil_scoped_release released;
    std::vector<double> scratch(size_t(count + 1) * krylov::widest);
    sweeps.project(basis, target, scratch.data());
}

void subtract(Doubles q, int count, Doubles part, Doubles found, const std::string& isa) {
    const Basis basis = basis_of(q, count);
    const double* factors = sized(part, count, "part");
    double* target = sized(found, count + 1, "found");
    const Sweeps sweeps = called(isa);
    py::gil_scoped_release released;
    std::vector<double> scratch(size_t(count + 1) * krylov::widest);
    sweeps.subtract(basis, factors, target, scratch.data());
}

// What basis.orthogonalise does on one rank: see there.
double orthogonalise(Doubles q, int count, Doubles components, double loss, int passes) {
    const Basis basis = basis_of(q, count);
    double* total = sized(components, count, "components");
    const Sweeps& sweeps = machine();
    py::gil_scoped_release released;
    std::vector<double> memory(size_t(count + 1) * (krylov::widest + 2));
    double *scratch = memory.data(), *found = scratch + (count + 1) * krylov::widest, *part = found + count + 1;
    for (int i = 0; i < count; ++i) total[i] = 0;
    sweeps.project(basis, found, scratch);
    const double before = found[count];
    for (int pass = 0;; ++pass) {
        double small = 0;
        for (int i = 0; i < count; ++i) small += found[i] * found[i];
        if (!std::isfinite(found[count]) || !std::isfinite(small)) return std::numeric_limits<double>::quiet_NaN();
        if (small <= loss * loss * found[count]) break;
        if (pass == passes) return 0;
        for (int i = 0; i < count; ++i) total[i] += part[i] = found[i];
        sweeps.subtract(basis, part, found, scratch);
    }
    const double length = std::sqrt(found[count]);
    if (length <= 1e-15 * std::sqrt(before)) return 0;
    const double inverse = 1 / length;
    for (std::ptrdiff_t i = 0; i < basis.n; ++i) basis.w[i] *= inverse;
    return length;
}

}  // namespace

void bind_krylov(py::module_& module) {
    using py::arg;
    module.def("krylov_project", project, arg("q").noconvert(), arg("count"), arg("found").noconvert(), arg("isa") = "",
               "Inner products of row `count` with the rows before it and with itself.");
    module.def("krylov_subtract", subtract, arg("q").noconvert(), arg("count"), arg("part").noconvert(),
               arg("found").noconvert(), arg("isa") = "",
               "Subtracts `part` times the rows before from row `count`, and projects it again, in one sweep.");
    module.def("krylov_orthogonalise", orthogonalise, arg("q").noconvert(), arg("count"), arg("components").noconvert(),
               arg("loss"), arg("passes"),
               "Makes row `count` orthonormal to the rows before it; gives its length, 0 if it lies in their span.");
}
