// What the instruction-set copies of the kernel and the rest of the extension say to each other: plain data only.
// No templates of the standard library here: compiled for AVX-512, one of them could end up serving every machine.
#pragma once

#include "../passes.hpp"

namespace lanes::family {

constexpr int most_fields = 4, most_inputs = 16;

// A function on the grid that 𝒩 is made of: a field, or its derivative along an axis (0 is the slowest).
struct Input {
    int field, axis;  // axis −1: the field itself
};

// One term of a polynomial in the inputs: its coefficient times `degree` factors. Targets below `fields` are 𝒩, those
// beyond it the parts of the rate, whose sizes add up. Terms are sorted by target.
struct Term {
    int target, degree, factor[3];
};

// What all members share. Only modes |n| ≤ top exist; `kept` of them for each field, in the order of `rfftn`.
struct Equation {
    int dimensions, points[3], top[3];  // slowest axis first
    double lengths[3];
    int fields, inputs, rates, terms;
    const Input* input;
    const Term* term;
    const double* symbol;  // 𝒩 is the transform of the polynomials times this: [field][kept][re im]
    bool etdrk4;           // else ifrk4
    bool dispersive;       // the tables are complex
    Plans slow[2];         // of the axes but the fastest
    Plans fast;            // of half as many points as the fastest axis has

    int fastest() const { return dimensions - 1; }
    int columns() const { return dimensions == 1 ? 1 : top[fastest()] + 1; }
    int count_of(int axis) const { return axis == fastest() ? top[axis] + 1 : 2 * top[axis] + 1; }
    int tables() const { return etdrk4 ? 5 : 1; }
    int kept() const {
        int count = 1;
        for (int axis = 0; axis < dimensions; ++axis) count *= count_of(axis);
        return count;
    }
};

// One sample: states are `rfftn` arrays (fields, …, nx/2 + 1) of true Fourier coefficients.
struct Member {
    const void* state;
    void* result;
    const double* tables;        // [table][field][kept], pairs (re im) where dispersive; see schemes.hpp
    const double* coefficients;  // [term]
    double step;
    long steps;
    double peak_rate, last_rate;  // largest on the way; at the end
};

struct Kernel {
    Precision precision;
    int lanes;
    size_t (*memory)(const Equation&);  // bytes of workspace; it must begin on a 64-byte boundary
    void (*advance)(const Equation&, Member*, int count, void* memory);
    void (*nonlinear)(const Equation&, Member*, int count, void* memory);
};

struct KernelList {
    const char* isa;
    const Kernel* first;
    int count;
};

KernelList kernels_baseline();
KernelList kernels_avx2();
KernelList kernels_avx512();

}  // namespace lanes::family
