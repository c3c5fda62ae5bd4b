// The Python side: arguments in, blocks over threads, arrays out.
#include <pybind11/complex.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cmath>
#include <complex>
#include <cstring>
#include <optional>

#include "../choice.hpp"
#include "../plan.hpp"
#include "../workers.hpp"
#include "schedule.hpp"

namespace py = pybind11;
using namespace lanes;
using namespace lanes::family;

namespace {

template <class X> using Array = py::array_t<X, py::array::c_style | py::array::forcecast>;
using InputPair = std::pair<int, int>;
using TermPair = std::pair<int, std::vector<int>>;

void require(bool good, const std::string& complaint) {
    if (!good) throw py::value_error(complaint);
}

const std::vector<KernelList>& machine() {
    static const std::vector<KernelList> sets = instruction_sets();
    return sets;
}

std::vector<std::string> own_kernels(const std::string& precision) { return kernel_names(machine(), precision); }

// What all members share, checked; owns what Equation points to.
class Shared {
    std::vector<PassLists> passes;
    std::vector<Input> inputs;
    std::vector<Term> terms;
    Array<std::complex<double>> symbol;

  public:
    Equation equation{};

    Shared(const std::vector<int>& shape, const std::vector<double>& lengths, const std::vector<int>& top, int fields,
           int rates, const std::vector<InputPair>& given_inputs, const std::vector<TermPair>& given_terms,
           const Array<std::complex<double>>& given_symbol, const std::string& scheme)
        : symbol(given_symbol) {
        const int dimensions = int(shape.size());
        require(dimensions >= 1 && dimensions <= 3, "the kernels know one to three dimensions");
        require(lengths.size() == shape.size() && top.size() == shape.size(), "shape, lengths and top must agree");
        require(fields >= 1 && fields <= most_fields, "from one to " + std::to_string(most_fields) + " fields");
        require(scheme == "ifrk4" || scheme == "etdrk4", "scheme must be ifrk4 or etdrk4, not " + scheme);
        equation.dimensions = dimensions;
        equation.etdrk4 = scheme == "etdrk4";
        equation.fields = fields;
        equation.rates = rates;
        passes.reserve(dimensions);
        for (int axis = 0; axis < dimensions; ++axis) {
            const bool fastest = axis == dimensions - 1;
            const int size = shape[axis];
            if (fastest && size % 2) throw py::value_error("an odd number of points, " + std::to_string(size));
            const int points = fastest ? size / 2 : size;
            if (!can_transform(points)) {
                throw py::value_error((fastest ? "half of an even number: " : "") + advice(points));
            }
            require(top[axis] >= 0 && 2 * top[axis] < size, "top must lie below half the points");
            passes.emplace_back(points);
            equation.points[axis] = size;
            equation.lengths[axis] = lengths[axis];
            equation.top[axis] = top[axis];
            (fastest ? equation.fast : equation.slow[axis]) = passes.back().plans();
        }
        for (const auto& [field, axis] : given_inputs) {
            require(field >= 0 && field < fields && axis >= -1 && axis < dimensions,
                    "an input of no such field or axis");
            inputs.push_back({field, axis});
        }
        int last = 0;
        for (const auto& [target, factors] : given_terms) {
            require(target >= last && target < fields + rates, "terms must be sorted by target");
            require(factors.size() <= 3, "terms have at most three factors");
            Term term{target, int(factors.size()), {0, 0, 0}};
            for (size_t i = 0; i < factors.size(); ++i) {
                require(factors[i] >= 0 && factors[i] < int(inputs.size()), "a factor that is no input");
                term.factor[i] = factors[i];
            }
            terms.push_back(term);
            last = target;
        }
        require(!inputs.empty(), "an equation without inputs is linear");
        require(int(inputs.size()) <= most_inputs, "at most " + std::to_string(most_inputs) + " inputs");
        require(symbol.size() == py::ssize_t(fields) * equation.kept(), "symbol must have the shape (fields, *kept)");
        equation.inputs = int(inputs.size());
        equation.terms = int(terms.size());
        equation.input = inputs.data();
        equation.term = terms.data();
        equation.symbol = reinterpret_cast<const double*>(symbol.data());
    }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

    std::vector<py::ssize_t> state_shape(py::ssize_t members) const {
        std::vector<py::ssize_t> shape{members, equation.fields};
        shape.insert(shape.end(), equation.points, equation.points + equation.dimensions);
        shape.back() = shape.back() / 2 + 1;
        return shape;
    }
};

using Run = void (*Kernel::*)(const Equation&, Member*, int, void*);

struct Request {
    Precision precision;
    std::string kernel;
    int threads;
};

template <class S>
py::tuple run(Run action, const Shared& shared, const py::array& given, std::vector<Member> members,
              const Request& request) {
    const Equation& equation = shared.equation;
    const Array<std::complex<S>> states(given);
    const int count = int(members.size());
    const std::vector<py::ssize_t> shape = shared.state_shape(count);
    bool same = states.ndim() == py::ssize_t(shape.size());
    for (size_t i = 0; same && i < shape.size(); ++i) same = states.shape(i) == shape[i];
    require(same, "states must have the shape (members, fields, *modes) that rfftn gives");
    Array<std::complex<S>> results(shape);
    py::array_t<double> peaks(count), lasts(count);
    const size_t size = count ? size_t(states.size()) / count : 0;
    std::complex<S>* target = results.mutable_data();
    std::vector<int> order(count);
    for (int i = 0; i < count; ++i) {
        members[i].state = states.data() + i * size;
        members[i].result = target + i * size;
        order[i] = i;
    }
    // Members that take equally many steps share a block.
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return members[a].steps > members[b].steps; });
    std::vector<Member> sorted;
    for (const int i : order) sorted.push_back(members[i]);
    std::vector<Task> tasks;
    if (request.kernel.empty()) tasks = schedule(machine()[0], request.precision, equation, count);
    else add_tasks(tasks, kernel_called(machine(), request.kernel, request.precision), 0, count);
    {
        py::gil_scoped_release released;
        std::fill(target, target + count * size, std::complex<S>(0));
        size_t bytes = 0;
        for (const Task& task : tasks) bytes = std::max(bytes, task.kernel->memory(equation));
        run_tasks(tasks.size(), request.threads, bytes, [&](size_t i, void* memory) {
            (tasks[i].kernel->*action)(equation, sorted.data() + tasks[i].first, tasks[i].count, memory);
        });
    }
    for (int i = 0; i < count; ++i) {
        peaks.mutable_at(order[i]) = sorted[i].peak_rate;
        lasts.mutable_at(order[i]) = sorted[i].last_rate;
    }
    return py::make_tuple(results, peaks, lasts);
}

py::tuple dispatch(Run action, const Shared& shared, const py::array& states, std::vector<Member> members,
                   const Request& request) {
    require(request.threads >= 1, "threads must be at least 1");
    if (request.precision == Precision::float32)
        return run<float>(action, shared, states, std::move(members), request);
    return run<double>(action, shared, states, std::move(members), request);
}

std::vector<Member> members_with(const Shared& shared, const Array<double>& coefficients) {
    require(coefficients.ndim() == 2 && coefficients.shape(1) == shared.equation.terms,
            "coefficients must have the shape (members, terms)");
    std::vector<Member> members(coefficients.shape(0), Member{});
    for (size_t i = 0; i < members.size(); ++i) {
        members[i].coefficients = coefficients.data() + i * shared.equation.terms;
    }
    return members;
}

// The tables of the members, each `(table, field, *kept)`; those that take no step need none.
std::vector<py::array> with_tables(Shared& shared, std::vector<Member>& members,
                                   const std::vector<std::optional<py::array>>& tables) {
    std::vector<py::array> owned;
    for (const auto& one : tables) {
        if (one && one->dtype().kind() == 'c') shared.equation.dispersive = true;
    }
    const py::ssize_t size = py::ssize_t(shared.equation.tables()) * shared.equation.fields * shared.equation.kept();
    for (size_t i = 0; i < members.size(); ++i) {
        require(tables[i] || members[i].steps == 0, "a member that takes steps needs tables");
        if (!tables[i]) continue;
        py::array own = shared.equation.dispersive ? py::array(Array<std::complex<double>>(*tables[i]))
                                                   : py::array(Array<double>(*tables[i]));
        require(own.size() == size, "tables must have the shape (table, fields, *kept)");
        members[i].tables = static_cast<const double*>(own.data());
        owned.push_back(std::move(own));
    }
    return owned;
}

py::tuple advance(const py::array& states, const std::vector<std::optional<py::array>>& tables,
                  const Array<double>& coefficients, double length, const Array<long>& steps,
                  const std::vector<int>& shape, const std::vector<double>& lengths, const std::vector<int>& top,
                  int fields, int rates, const std::vector<InputPair>& inputs, const std::vector<TermPair>& terms,
                  const Array<std::complex<double>>& symbol, const std::string& scheme, const std::string& precision,
                  int threads, const std::string& kernel) {
    Shared shared(shape, lengths, top, fields, rates, inputs, terms, symbol, scheme);
    std::vector<Member> members = members_with(shared, coefficients);
    require(steps.ndim() == 1 && size_t(steps.size()) == members.size() && tables.size() == members.size(),
            "steps and tables must have one entry per member");
    for (size_t i = 0; i < members.size(); ++i) {
        const long count = steps.at(i);
        require(count >= 0, "steps must not be negative");
        members[i].steps = count;
        members[i].step = count ? length / double(count) : 0;
    }
    const std::vector<py::array> owned = with_tables(shared, members, tables);
    return dispatch(&Kernel::advance, shared, states, std::move(members),
                    {precision_called(precision), kernel, threads});
}

py::tuple nonlinear(const py::array& states, const Array<double>& coefficients, const std::vector<int>& shape,
                    const std::vector<double>& lengths, const std::vector<int>& top, int fields, int rates,
                    const std::vector<InputPair>& inputs, const std::vector<TermPair>& terms,
                    const Array<std::complex<double>>& symbol, const std::string& precision, int threads,
                    const std::string& kernel) {
    const Shared shared(shape, lengths, top, fields, rates, inputs, terms, symbol, "ifrk4");
    const py::tuple all = dispatch(&Kernel::nonlinear, shared, states, members_with(shared, coefficients),
                                   {precision_called(precision), kernel, threads});
    return py::make_tuple(all[0], all[2]);
}

size_t memory(const std::vector<int>& shape, const std::vector<double>& lengths, const std::vector<int>& top,
              int fields, int rates, const std::vector<InputPair>& inputs, const std::vector<TermPair>& terms,
              const Array<std::complex<double>>& symbol, const std::string& scheme, const std::string& precision,
              const std::string& kernel) {
    const Shared shared(shape, lengths, top, fields, rates, inputs, terms, symbol, scheme);
    return kernel_called(machine(), kernel, precision_called(precision)).memory(shared.equation);
}

}  // namespace

void bind_family(py::module_& module) {
    using py::arg;
    module.def("family_kernels", own_kernels, arg("precision"),
               "Names of the kernels that this processor can run, best first.");
    module.def("family_memory", memory, py::kw_only(), arg("shape"), arg("lengths"), arg("top"), arg("fields"),
               arg("rates"), arg("inputs"), arg("terms"), arg("symbol"), arg("scheme"), arg("precision"),
               arg("kernel"), "Bytes that one block of lanes works in, tables included.");
    module.def("family_advance", advance, arg("states"), py::kw_only(), arg("tables"), arg("coefficients"),
               arg("length"), arg("steps"), arg("shape"), arg("lengths"), arg("top"), arg("fields"), arg("rates"),
               arg("inputs"), arg("terms"), arg("symbol"), arg("scheme"), arg("precision"), arg("threads") = 1,
               arg("kernel") = "",
               "States one interval later; each member's largest rate on the way, and that at the end.");
    module.def("family_nonlinear", nonlinear, arg("states"), py::kw_only(), arg("coefficients"), arg("shape"),
               arg("lengths"), arg("top"), arg("fields"), arg("rates"), arg("inputs"), arg("terms"), arg("symbol"),
               arg("precision"), arg("threads") = 1, arg("kernel") = "", "𝒩, and each member's rate.");
}
