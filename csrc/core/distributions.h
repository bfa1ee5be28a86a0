// Fills of raw, contiguous buffers with the numbers PyTorch's CPU generator gives for each
// continuous distribution. Each call locks the generator once. Arguments are checked by the caller;
// nothing here knows tensors.
#pragma once

#include <cstdint>

#include "core/rng.h"
#include "kernels/dtype.h"

namespace pycore {

// T: float, double, Half, BFloat16. [from, to); one word per number, two for double.
template <class T>
void fill_uniform(Generator& generator, T* out, int64_t n, double from, double to);

// T: float, double, Half, BFloat16. From 16 numbers on in blocks of 16, below that one by one in
// float64.
template <class T>
void fill_normal(Generator& generator, T* out, int64_t n, double mean, double std);

// One by one at any length: the numbers that a tensor which is not contiguous receives.
template <class T>
void fill_normal_serial(Generator& generator, T* out, int64_t n, double mean, double std);

// T: as above. Drawn one by one in float64 whatever T is.
template <class T>
void fill_exponential(Generator& generator, T* out, int64_t n, double rate);
template <class T>
void fill_cauchy(Generator& generator, T* out, int64_t n, double median, double sigma);
template <class T>
void fill_log_normal(Generator& generator, T* out, int64_t n, double mean, double std);

}  // namespace pycore
