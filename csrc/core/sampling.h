// Fills of raw buffers from discrete distributions, with the numbers of PyTorch's CPU generator:
// integers in a range, permutations, coin flips, choices by weight. Arguments are checked by the
// caller; nothing here knows tensors.
#pragma once

#include <cstdint>
#include <utility>

#include "core/rng.h"
#include "kernels/dtype.h"

namespace pycore {

// T below: float, double, Half, BFloat16, int64_t, int32_t, int16_t, int8_t, uint8_t or bool.

// base + (draw mod range); one word per number while range < 2^28, two from there on. The top of
// int64 is reached by unsigned wrap-around, so range may be any count but 2^64, for which there is
// fill_random_64_bits.
template <class T>
void fill_random_range(Generator& generator, T* out, int64_t n, uint64_t range, int64_t base);
template <class T>
void fill_random_64_bits(Generator& generator, T* out, int64_t n);

// random_() without bounds: 0 to the greatest integer of T, or to 2^digits for the floating types.
template <class T>
void fill_random(Generator& generator, T* out, int64_t n);

// Moves [from, to) inwards to numbers that T holds exactly; floating types only.
template <class T>
std::pair<int64_t, int64_t> representable_range(int64_t from, int64_t to);
// The greatest value (inclusive) of random_(from, None) for T.
template <class T>
int64_t greatest_random();

// A random order of 0 .. n-1.
void fill_permutation(Generator& generator, int64_t* out, int64_t n);

// 1 with probability p, else 0. One p for all: always 53-bit draws. P (float, double, Half,
// BFloat16) for each: 24-bit draws unless P is double.
template <class T>
void fill_bernoulli(Generator& generator, T* out, int64_t n, double p);
// yes with probability p, else 0: a dropout mask in one pass.
template <class T>
void fill_bernoulli(Generator& generator, T* out, int64_t n, double p, T yes);
template <class T, class P>
void fill_bernoulli_each(Generator& generator, T* out, const P* p, int64_t n);

// Number of trials up to the first success.
template <class T>
void fill_geometric(Generator& generator, T* out, int64_t n, double p);

// T: float, double, Half, BFloat16. Rates may be any non-negative numbers.
template <class T>
void fill_poisson(Generator& generator, T* out, const T* rate, int64_t n);

// Row by row, `samples` indices into `categories` weights; weights are non-negative, finite, with a
// positive sum per row. With replacement by inversion of the cumulative weights, which throws
// std::runtime_error for bad weights; without by the exponential race (Efraimidis and Spirakis,
// 2006), in decreasing order of weight / Exp(1). One sample with replacement is a race too: that is
// the caller's choice to make.
template <class T>
void sample_with_replacement(Generator& generator, const T* weights, int64_t rows,
                             int64_t categories, int64_t samples, int64_t* out);
template <class T>
void sample_without_replacement(Generator& generator, const T* weights, int64_t rows,
                                int64_t categories, int64_t samples, int64_t* out);

}  // namespace pycore
