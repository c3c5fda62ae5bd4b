// The Python side: a flux form in, a solver that keeps its memory from one matrix to the next.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "../cpu.hpp"
#include "kernel.hpp"

namespace py = pybind11;
using namespace lanes::multigrid;

namespace {

using Reals = py::array_t<double, py::array::c_style | py::array::forcecast>;

std::vector<Kernel> machine() {
    std::vector<Kernel> found;
    const auto add = [&](KernelList list) { found.insert(found.end(), list.first, list.first + list.count); };
#ifdef __x86_64__
    if (lanes::has_avx512()) add(kernels_avx512());
    if (lanes::has_avx2()) add(kernels_avx2());
#endif
    add(kernels_baseline());
    return found;
}

std::vector<std::string> isa_names() {
    std::vector<std::string> names;
    for (const Kernel& kernel : machine()) {
        if (kernel.single) names.push_back(kernel.isa);
    }
    return names;
}

Kernel kernel_called(const std::string& precision, const std::string& isa) {
    if (precision != "float32" && precision != "float64")
        throw py::value_error("precision must be float32 or float64, not " + precision);
    for (const Kernel& kernel : machine()) {
        if (kernel.single == (precision == "float32") && (isa.empty() || isa == kernel.isa)) return kernel;
    }
    throw py::value_error("no kernel for " + isa + " on this machine; see multigrid_kernels()");
}

// Blocks of memory in the order in which a build asks for them: the next build finds them again, and zeros in place.
class Blocks {
    struct Block {
        void* memory = nullptr;
        size_t bytes = 0;
        unsigned long key = 0;
    };
    std::vector<Block> blocks;
    size_t next = 0;

  public:
    Blocks() = default;
    Blocks(const Blocks&) = delete;
    Blocks& operator=(const Blocks&) = delete;
    ~Blocks() {
        for (Block& block : blocks) std::free(block.memory);
    }
    void rewind() { next = 0; }
    void* take(size_t bytes, unsigned long key) {
        if (next == blocks.size()) blocks.emplace_back();
        Block& block = blocks[next++];
        if (block.bytes == bytes && block.key == key) return block.memory;
        std::free(block.memory);
        block = {};
        if (posix_memalign(&block.memory, 64, bytes) != 0) throw std::bad_alloc();
        std::memset(block.memory, 0, bytes);
        block.bytes = bytes;
        block.key = key;
        return block.memory;
    }
    static void* take_from(void* owner, size_t bytes, unsigned long key) {
        return static_cast<Blocks*>(owner)->take(bytes, key);
    }
};

class Solver {
    Kernel kernel;
    Blocks blocks;
    void* built = nullptr;
    py::ssize_t size = 0;

  public:
    Solver(const std::string& precision, const std::string& isa) : kernel(kernel_called(precision, isa)) {}

    void build(const std::vector<Reals>& faces, const Reals& shift, const std::vector<bool>& periodic, bool singular) {
        const int dim = int(shift.ndim());
        if (dim < 1 || dim > 3 || int(faces.size()) != dim || int(periodic.size()) != dim)
            throw py::value_error("expected a shift with 1 to 3 axes, and faces and periodic for each of them");
        Form form = {dim, {1, 1, 1}, {false, false, false}, {nullptr, nullptr, nullptr}, shift.data(), singular};
        for (int a = 0; a < dim; ++a) {
            const int axis = 3 - dim + a;
            if (faces[a].ndim() != dim) throw py::value_error("every array of faces must have as many axes as shift");
            for (int other = 0; other < dim; ++other) {
                if (shift.shape(other) < 1 || faces[a].shape(other) != shift.shape(other) + (other == a))
                    throw py::value_error("faces must have the shape of shift, and one more along their own axis");
            }
            form.size[axis] = int(shift.shape(a));
            form.wraps[axis] = periodic[a];
            form.faces[axis] = faces[a].data();
        }
        size = shift.size();
        py::gil_scoped_release released;
        built = nullptr;
        blocks.rewind();
        built = kernel.build(form, {&blocks, Blocks::take_from});
    }

    py::tuple solve(const Reals& rhs, const Reals& guess, double tolerance, int limit) {
        check(rhs);
        check(guess);
        Reals x(size);
        std::memcpy(x.mutable_data(), guess.data(), size_t(size) * sizeof(double));
        double* target = x.mutable_data();
        Outcome outcome;
        {
            py::gil_scoped_release released;
            outcome = kernel.solve(built, rhs.data(), target, tolerance, limit);
        }
        return py::make_tuple(x, outcome.iterations, outcome.residual, outcome.breakdown);
    }

    Reals cycle(const Reals& rhs) {
        check(rhs);
        Reals x(size);
        double* target = x.mutable_data();
        py::gil_scoped_release released;
        kernel.cycle(built, rhs.data(), target);
        return x;
    }

    int levels() const {
        check_built();
        return kernel.levels(built);
    }

  private:
    void check_built() const {
        if (!built) throw py::value_error("build first");
    }
    void check(const Reals& vector) const {
        check_built();
        if (vector.ndim() != 1 || vector.size() != size)
            throw py::value_error("expected a vector of " + std::to_string(size) + " unknowns");
    }
};

}  // namespace

void bind_multigrid(py::module_& module) {
    using py::arg;
    module.def("multigrid_kernels", isa_names, "Instruction sets that this processor can run, best first.");
    py::class_<Solver>(module, "MultigridSolver", "Conjugate gradients around a V-cycle, for one flux form at a time.")
        .def(py::init<const std::string&, const std::string&>(), arg("precision"), arg("kernel") = "")
        .def("build", &Solver::build, arg("faces"), arg("shift"), arg("periodic"), arg("singular"))
        .def("solve", &Solver::solve, arg("rhs"), arg("guess"), arg("tolerance"), arg("limit"),
             "Solution, iterations, true relative residual, and whether it broke down.")
        .def("cycle", &Solver::cycle, arg("rhs"), "One V-cycle from zero.")
        .def_property_readonly("levels", &Solver::levels);
}
