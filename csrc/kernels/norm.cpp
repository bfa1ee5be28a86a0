// Batch and group normalisation, and the table of all normalisations. Must not know tensors or
// running statistics.
#include "kernels/norm.h"

#include "kernels/narrow.h"
#include "kernels/norm_rows.h"

namespace pycore::kernels::PYCORE_ISA {
namespace {

template <class T>
const T* in(const void* p) {
  return static_cast<const T*>(p);
}
template <class T>
T* out(void* p) {
  return static_cast<T*>(p);
}

// ---- batch norm: x [n, c, s] ----

// For s == 1, the sums of a and b over n rows for one register of channels, in blocks of 32 rows.
template <class T, class Body>
PYCORE_INLINE Two<T> sum_rows(int64_t n, Body body) {
  Two<T> total{};
  for (int64_t i = 0; i < n;) {
    Two<T> part{};
    for (const int64_t end = smaller(n, i + 32); i < end; ++i) {
      const Two<T> x = body(i);
      part.a += x.a;
      part.b += x.b;
    }
    total.a += part.a;
    total.b += part.b;
  }
  return total;
}

template <class T>
void batch_stats(const Context& ctx, const void* x_in, void* mean_out, void* var_out, int64_t n,
                 int64_t c, int64_t s) {
  const T* x = in<T>(x_in);
  T* means = out<T>(mean_out);
  T* vars = out<T>(var_out);
  constexpr int kL = v::kLanes<T>;
  if (s == 1) {
    over_groups(ctx, (c + kL - 1) / kL, n * kL, [&](int64_t first, int64_t last) {
      for (int64_t j = first * kL; j < smaller(c, last * kL); j += kL) {
        const int lanes = static_cast<int>(smaller(kL, c - j));
        const T count = static_cast<T>(n);
        const auto row = [&](int64_t i) { return load_n<T>(x + i * c + j, lanes); };
        const Vec<T> mean = sum_rows<T>(n, [&](int64_t i) { return Two<T>{row(i), {}}; }).a / count;
        const Vec<T> m2 = sum_rows<T>(n, [&](int64_t i) {
                            const Vec<T> d = row(i) - mean;
                            return Two<T>{d * d, {}};
                          }).a;
        store_n<T>(means + j, mean, lanes);
        store_n<T>(vars + j, m2 / count, lanes);
      }
    });
    return;
  }
  over_groups(ctx, c, n * s, [&](int64_t first, int64_t last) {
    for (int64_t j = first; j < last; ++j) {
      const double count = static_cast<double>(n * s);
      double sum = 0, m2 = 0;
      for (int64_t i = 0; i < n; ++i)
        sum += sum_row<T>(x + (i * c + j) * s, s, T(0), [](Vec<T> a) { return a; });
      const T mean = static_cast<T>(sum / count);
      for (int64_t i = 0; i < n; ++i)
        m2 += sum_row<T>(x + (i * c + j) * s, s, mean, [&](Vec<T> a) {
          const Vec<T> d = a - mean;
          return d * d;
        });
      means[j] = mean;
      vars[j] = static_cast<T>(m2 / count);
    }
  });
}

// Calls body(channel, m) for the m elements of each channel in [begin, end) of x [n, c, s]; for
// s == 1 these are elements of the channels from the given one on.
template <class Body>
PYCORE_INLINE void over_channels(int64_t begin, int64_t end, int64_t c, int64_t s, Body body) {
  const int64_t row = begin / s, next = s == 1 ? c : s;
  int64_t channel = row % c;
  int64_t left = s == 1 ? c - channel : (row + 1) * s - begin;
  for (int64_t m; begin < end; begin += m, left = next) {
    m = smaller(left, end - begin);
    body(channel, m);
    channel = s == 1 || channel + 1 == c ? 0 : channel + 1;
  }
}

// y = x * a[channel] + b[channel] for the elements [begin, end), which lie at x.
template <class T>
void affine(const T* x, const T* a, const T* b, T* y, int64_t begin, int64_t end, int64_t c,
            int64_t s) {
  over_channels(begin, end, c, s, [&](int64_t channel, int64_t m) {
    const T *as = a + channel, *bs = b + channel;
    if (s == 1) {
      over_row<T>(m, [&](int64_t j, int lanes) {
        const Vec<T> r = load_n<T>(x + j, lanes) * load_n<T>(as + j, lanes);
        store_n<T>(y + j, r + load_n<T>(bs + j, lanes), lanes);
      });
    } else {
      over_row<T>(m, [&](int64_t i, int lanes) {
        store_n<T>(y + i, load_n<T>(x + i, lanes) * *as + *bs, lanes);
      });
    }
    x += m;
    y += m;
  });
}
template <DType kStored>
void affine_narrow(const uint16_t* x, const float* a, const float* b, uint16_t* y, int64_t begin,
                   int64_t end, int64_t c, int64_t s) {
  over_channels(begin, end, c, s, [&](int64_t channel, int64_t m) {
    const float *as = a + channel, *bs = b + channel;
    if (m < kNarrowRow) {
      float wide[kNarrowRow];
      uint16_t some[kNarrowRow] = {};
      memcpy(some, x, 2 * static_cast<size_t>(m));
      for (int64_t i = 0; i < kNarrowRow; i += v::kLanes<float>)
        v::store<float>(wide + i, load_narrow<kStored>(some + i));
      for (int64_t i = 0; i < m; ++i) {
        const int64_t j = s == 1 ? i : 0;
        wide[i] = wide[i] * as[j] + bs[j];
      }
      store_narrow<kStored>(some, v::load<float>(wide), v::load<float>(wide + v::kLanes<float>));
      memcpy(y, some, 2 * static_cast<size_t>(m));
    } else if (s == 1) {
      narrow_row<kStored>(y, m, [&](int64_t i) {
        const Vec<float> r = load_narrow<kStored>(x + i) * v::load<float>(as + i);
        return r + v::load<float>(bs + i);
      });
    } else {
      const Vec<float> scale = v::splat<float>(*as), shift = v::splat<float>(*bs);
      narrow_row<kStored>(y, m,
                          [&](int64_t i) { return load_narrow<kStored>(x + i) * scale + shift; });
    }
    x += m;
    y += m;
  });
}

// kStored: the type of x and y, if that is a narrow one.
template <class T, DType kStored = DType::float32>
void batch_transform(const Context& ctx, const void* x, const void* mean, const void* rstd,
                     const void* gamma, const void* beta, void* y, int64_t n, int64_t c,
                     int64_t s) {
  const Scratch<T> coefficients(ctx, 2 * c);
  T* a = coefficients.get();
  T* b = a + c;
  for (int64_t j = 0; j < c; ++j) {
    a[j] = in<T>(rstd)[j] * (gamma != nullptr ? in<T>(gamma)[j] : T(1));
    b[j] = (beta != nullptr ? in<T>(beta)[j] : T(0)) - in<T>(mean)[j] * a[j];
  }
  over_groups(ctx, n * c, s, [&](int64_t first, int64_t last) {
    const int64_t begin = first * s, end = last * s;
    if constexpr (kStored == DType::float32)
      affine<T>(in<T>(x) + begin, a, b, out<T>(y) + begin, begin, end, c, s);
    else
      affine_narrow<kStored>(in<uint16_t>(x) + begin, a, b, out<uint16_t>(y) + begin, begin, end, c,
                             s);
  });
}

template <class T>
void batch_backward(const Context& ctx, const void* dy_in, const void* x_in, const void* mean_in,
                    const void* rstd_in, const void* gamma_in, void* dx_out, void* dgamma_out,
                    void* dbeta_out, int64_t n, int64_t c, int64_t s, bool training) {
  const T* dy = in<T>(dy_in);
  const T* x = in<T>(x_in);
  const T* means = in<T>(mean_in);
  const T* rstds = in<T>(rstd_in);
  const T* gamma = in<T>(gamma_in);
  T* dx = out<T>(dx_out);
  T* dgamma = out<T>(dgamma_out);
  T* dbeta = out<T>(dbeta_out);
  const T count = static_cast<T>(n * s);
  constexpr int kL = v::kLanes<T>;
  // dx = (dy - mean(dy) - x_hat * mean(dy * x_hat)) * gamma * rstd; in evaluation the means are
  // absent.
  if (s == 1) {
    over_groups(ctx, (c + kL - 1) / kL, n * kL, [&](int64_t first, int64_t last) {
      for (int64_t j = first * kL; j < smaller(c, last * kL); j += kL) {
        const int lanes = static_cast<int>(smaller(kL, c - j));
        const Vec<T> mean = load_n<T>(means + j, lanes), rstd = load_n<T>(rstds + j, lanes);
        const auto hat = [&](int64_t i) { return (load_n<T>(x + i * c + j, lanes) - mean) * rstd; };
        const Two<T> sums = sum_rows<T>(n, [&](int64_t i) {
          const Vec<T> d = load_n<T>(dy + i * c + j, lanes);
          return Two<T>{d, d * hat(i)};
        });
        if (dbeta != nullptr) store_n<T>(dbeta + j, sums.a, lanes);
        if (dgamma != nullptr) store_n<T>(dgamma + j, sums.b, lanes);
        if (dx == nullptr) continue;
        const Vec<T> scale = load_or<T>(gamma, j, lanes, T(1)) * rstd;
        const Vec<T> a = sums.a / count, b = sums.b / count;
        for (int64_t i = 0; i < n; ++i) {
          Vec<T> d = load_n<T>(dy + i * c + j, lanes);
          if (training) d = d - a - hat(i) * b;  // else x has no part in it, not even times 0
          store_n<T>(dx + i * c + j, d * scale, lanes);
        }
      }
    });
    return;
  }
  over_groups(ctx, c, n * s, [&](int64_t first, int64_t last) {
    for (int64_t j = first; j < last; ++j) {
      const T mean = means[j], rstd = rstds[j];
      double sum_d = 0, sum_dh = 0;
      for (int64_t i = 0; i < n; ++i) {
        const int64_t o = (i * c + j) * s;
        T a, b;
        sum_two<T>(s, &a, &b, [&](int64_t k, int lanes) {
          const Vec<T> d = load_n<T>(dy + o + k, lanes);
          return Two<T>{d, d * ((load_n<T>(x + o + k, lanes) - mean) * rstd)};
        });
        sum_d += a;
        sum_dh += b;
      }
      if (dbeta != nullptr) dbeta[j] = static_cast<T>(sum_d);
      if (dgamma != nullptr) dgamma[j] = static_cast<T>(sum_dh);
      if (dx == nullptr) continue;
      const T scale = (gamma != nullptr ? gamma[j] : T(1)) * rstd;
      const T a = static_cast<T>(sum_d) / count, b = static_cast<T>(sum_dh) / count;
      for (int64_t i = 0; i < n; ++i) {
        const int64_t o = (i * c + j) * s;
        over_row<T>(s, [&](int64_t k, int lanes) {
          Vec<T> d = load_n<T>(dy + o + k, lanes);
          if (training) d = d - a - (load_n<T>(x + o + k, lanes) - mean) * rstd * b;
          store_n<T>(dx + o + k, d * scale, lanes);
        });
      }
    }
  });
}

// ---- group norm: x [n, groups, c / groups * s] ----

template <class T>
void group_norm(const Context& ctx, const void* x_in, const void* gamma, const void* beta,
                void* y_out, void* mean_out, void* rstd_out, int64_t n, int64_t c, int64_t s,
                int64_t groups, double eps) {
  const int64_t per_group = c / groups, size = per_group * s;
  over_groups(ctx, n * groups, size, [&](int64_t first, int64_t last) {
    for (int64_t u = first; u < last; ++u) {
      const T* x = in<T>(x_in) + u * size;
      T* y = out<T>(y_out) + u * size;
      T mean, var;
      row_moments<T>(x, size, &mean, &var);
      const T rstd = T(1) / static_cast<T>(::sqrt(static_cast<double>(var) + eps));
      out<T>(mean_out)[u] = mean;
      out<T>(rstd_out)[u] = rstd;
      for (int64_t k = 0; k < per_group; ++k) {
        const int64_t channel = u % groups * per_group + k;
        const T a = rstd * (gamma != nullptr ? in<T>(gamma)[channel] : T(1));
        const T b = (beta != nullptr ? in<T>(beta)[channel] : T(0)) - mean * a;
        over_row<T>(s, [&](int64_t i, int lanes) {
          store_n<T>(y + k * s + i, load_n<T>(x + k * s + i, lanes) * a + b, lanes);
        });
      }
    }
  });
}

template <class T>
void group_norm_backward(const Context& ctx, const void* dy_in, const void* x_in,
                         const void* gamma_in, const void* mean_in, const void* rstd_in,
                         void* dx_out, void* dgamma_out, void* dbeta_out, int64_t n, int64_t c,
                         int64_t s, int64_t groups) {
  const int64_t per_group = c / groups, size = per_group * s;
  const T* gamma = in<T>(gamma_in);
  // Sums of dy and dy * x_hat over s, for every sample and channel.
  const Scratch<T> sums(ctx, 2 * n * c);
  T* sum_d = sums.get();
  T* sum_dh = sum_d + n * c;
  over_groups(ctx, n * groups, size, [&](int64_t first, int64_t last) {
    for (int64_t u = first; u < last; ++u) {
      const T* dy = in<T>(dy_in) + u * size;
      const T* x = in<T>(x_in) + u * size;
      const T mean = in<T>(mean_in)[u], rstd = in<T>(rstd_in)[u];
      const auto hat = [&](int64_t i, int lanes) {
        return (load_n<T>(x + i, lanes) - mean) * rstd;
      };
      double total_d = 0, total_dh = 0;
      for (int64_t k = 0; k < per_group; ++k) {
        const int64_t at = u * per_group + k;
        sum_two<T>(s, sum_d + at, sum_dh + at, [&](int64_t i, int lanes) {
          const Vec<T> d = load_n<T>(dy + k * s + i, lanes);
          return Two<T>{d, d * hat(k * s + i, lanes)};
        });
        const double weight = gamma != nullptr ? gamma[at % c] : T(1);
        total_d += weight * sum_d[at];
        total_dh += weight * sum_dh[at];
      }
      if (dx_out == nullptr) continue;
      T* dx = out<T>(dx_out) + u * size;
      const T a = static_cast<T>(total_d / static_cast<double>(size));
      const T b = static_cast<T>(total_dh / static_cast<double>(size));
      for (int64_t k = 0; k < per_group; ++k) {
        const T weight = gamma != nullptr ? gamma[(u * per_group + k) % c] : T(1);
        over_row<T>(s, [&](int64_t i, int lanes) {
          const Vec<T> d = load_n<T>(dy + k * s + i, lanes) * weight;
          store_n<T>(dx + k * s + i, (d - a - hat(k * s + i, lanes) * b) * rstd, lanes);
        });
      }
    }
  });
  for (int64_t j = 0; j < c; ++j) {
    double d = 0, dh = 0;
    for (int64_t i = 0; i < n; ++i) {
      d += sum_d[i * c + j];
      dh += sum_dh[i * c + j];
    }
    if (dbeta_out != nullptr) out<T>(dbeta_out)[j] = static_cast<T>(d);
    if (dgamma_out != nullptr) out<T>(dgamma_out)[j] = static_cast<T>(dh);
  }
}

// ---- the table ----

template <class T>
void layer_norm(const Context& ctx, const void* x, const void* gamma, const void* beta, void* y,
                void* mean, void* rstd, int64_t rows, int64_t n, double eps) {
  norm_rows<T, true>(ctx, in<T>(x), in<T>(gamma), in<T>(beta), out<T>(y), out<T>(mean),
                     out<T>(rstd), rows, n, eps);
}
template <class T>
void layer_norm_backward(const Context& ctx, const void* dy, const void* x, const void* gamma,
                         const void* mean, const void* rstd, void* dx, void* dgamma, void* dbeta,
                         int64_t rows, int64_t n) {
  norm_rows_backward<T, true>(ctx, in<T>(dy), in<T>(x), in<T>(gamma), in<T>(mean), in<T>(rstd),
                              out<T>(dx), out<T>(dgamma), out<T>(dbeta), rows, n);
}
template <class T>
void rms_norm(const Context& ctx, const void* x, const void* gamma, void* y, void* rstd,
              int64_t rows, int64_t n, double eps) {
  norm_rows<T, false>(ctx, in<T>(x), in<T>(gamma), nullptr, out<T>(y), nullptr, out<T>(rstd), rows,
                      n, eps);
}
template <class T>
void rms_norm_backward(const Context& ctx, const void* dy, const void* x, const void* gamma,
                       const void* rstd, void* dx, void* dgamma, int64_t rows, int64_t n) {
  norm_rows_backward<T, false>(ctx, in<T>(dy), in<T>(x), in<T>(gamma), nullptr, in<T>(rstd),
                               out<T>(dx), out<T>(dgamma), nullptr, rows, n);
}

template <class T>
constexpr void set(NormKernels& k, DType dtype) {
  const int d = static_cast<int>(dtype);
  k.layer_norm[d] = layer_norm<T>;
  k.layer_norm_backward[d] = layer_norm_backward<T>;
  k.rms_norm[d] = rms_norm<T>;
  k.rms_norm_backward[d] = rms_norm_backward<T>;
  k.batch_stats[d] = batch_stats<T>;
  k.batch_transform[d] = batch_transform<T>;
  k.batch_backward[d] = batch_backward<T>;
  k.group_norm[d] = group_norm<T>;
  k.group_norm_backward[d] = group_norm_backward<T>;
}
constexpr NormKernels make_kernels() {
  NormKernels k{};
  set<float>(k, DType::float32);
  set<double>(k, DType::float64);
  k.batch_transform[static_cast<int>(DType::float16)] = batch_transform<float, DType::float16>;
  k.batch_transform[static_cast<int>(DType::bfloat16)] = batch_transform<float, DType::bfloat16>;
  return k;
}

}  // namespace

extern const NormKernels norm_kernels;
constinit const NormKernels norm_kernels = make_kernels();

}  // namespace pycore::kernels::PYCORE_ISA
