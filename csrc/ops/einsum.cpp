// Contractions: einsum, tensordot, chains of matrices; composed of differentiable products. Must
// not know Python.
#include <algorithm>
#include <array>

#include "ops/matrix.h"

namespace pycore {
namespace {

// Labels are a-z, A-Z; the dimensions of an ellipsis follow as further labels.
constexpr int kLetters = 52;
int letter(char c) {
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= 'A' && c <= 'Z') return c - 'A';
  return -1;
}
char letter_name(int i) { return static_cast<char>(i < 26 ? 'A' + i : 'a' + i - 26); }

constexpr int kEllipsis = -2;

// The labels of one operand or of the output.
std::vector<int> labels_of(std::string_view equation, size_t begin, size_t end,
                           const std::string& whose) {
  std::vector<int> out;
  bool dots = false;
  for (size_t i = begin; i < end; ++i) {
    const char c = equation[i];
    if (c == ' ') continue;
    if (c == '.') {
      PC_CHECK(i + 2 < end && equation[i + 1] == '.' && equation[i + 2] == '.',
               "einsum(): found '.' for ", whose, " that is not part of any ellipsis");
      PC_CHECK(!dots, "einsum(): found '.' for ", whose,
               " for which an ellipsis was already found");
      dots = true;
      out.push_back(kEllipsis);
      i += 2;
      continue;
    }
    const int l = letter(c);
    PC_CHECK(l >= 0, "einsum(): invalid subscript given at index ", i,
             " in the equation string, subscripts must be in [a-zA-Z]");
    out.push_back(l);
  }
  return out;
}

// Dimensions are label positions from here on: every operand has all of them, size 1 where it lacks
// one.
struct Contraction {
  int64_t dims = 0;
  int64_t out_dims = 0;       // the first ones stay
  std::vector<int> last_use;  // last operand that has the dimension
};

// Takes the diagonal over repeated labels, then orders dimensions by label position, adding ones.
Tensor by_labels(Tensor t, std::vector<int> labels, const std::vector<int>& position, int64_t dims,
                 int operand) {
  for (size_t i = 0; i < labels.size(); ++i) {
    for (size_t j = i + 1; j < labels.size();) {
      if (labels[j] != labels[i]) {
        ++j;
        continue;
      }
      const auto di = static_cast<int64_t>(i), dj = static_cast<int64_t>(j);
      PC_CHECK(t.size(di) == t.size(dj), "einsum(): subscript ", letter_name(labels[i]),
               " is repeated for operand ", operand, " but the sizes don't match, ", t.size(dj),
               " != ", t.size(di));
      Dims sizes(t.sizes()), strides(t.strides());
      strides[di] += strides[dj];
      sizes.erase(dj);
      strides.erase(dj);
      t = as_strided(t, sizes, strides, t.offset());
      labels.erase(labels.begin() + static_cast<std::ptrdiff_t>(j));
    }
  }
  Dims order, have(dims, -1);
  for (size_t i = 0; i < labels.size(); ++i)
    have[position[static_cast<size_t>(labels[i])]] = static_cast<int64_t>(i);
  Dims shape;
  bool ordered = true;
  for (int64_t d = 0; d < dims; ++d) {
    if (have[d] >= 0) {
      ordered = ordered && have[d] == order.size();
      order.push_back(have[d]);
      shape.push_back(t.size(have[d]));
    } else {
      shape.push_back(1);
    }
  }
  if (!ordered) t = permute(t, order);
  for (int64_t d = 0; d < dims; ++d)
    if (have[d] < 0) t = unsqueeze(t, d);
  return t;
}

// Sums a * b over the dimensions in `sum` by one batched product of matrices.
Tensor sum_product(Tensor a, Tensor b, const std::vector<bool>& sum) {
  const auto dims = static_cast<int64_t>(sum.size());
  Dims batch, left, right, both;  // dimensions by who has them
  Dims a_sum, b_sum;
  for (int64_t d = 0; d < dims; ++d) {
    const bool in_a = a.size(d) != 1, in_b = b.size(d) != 1;
    if (sum[static_cast<size_t>(d)]) {
      if (in_a && in_b)
        both.push_back(d);
      else if (in_a)
        a_sum.push_back(d);
      else if (in_b)
        b_sum.push_back(d);
    } else if (in_a && in_b) {
      batch.push_back(d);
    } else if (in_a) {
      left.push_back(d);
    } else {
      right.push_back(d);
    }
  }
  if (!a_sum.empty()) a = sum_dims(a, a_sum, true);
  if (!b_sum.empty()) b = sum_dims(b, b_sum, true);
  if (both.empty()) return mul(a, b);

  auto count = [](const Tensor& t, const Dims& list) {
    int64_t n = 1;
    for (int64_t d : list) n *= t.size(d);
    return n;
  };
  auto join = [](std::initializer_list<const Dims*> lists) {
    Dims out;
    for (const Dims* l : lists)
      for (int64_t d : *l) out.push_back(d);
    return out;
  };
  Dims ones;  // dimensions of size 1 in both, or summed away
  for (int64_t d = 0; d < dims; ++d)
    if (sum[static_cast<size_t>(d)] && std::find(both.begin(), both.end(), d) == both.end())
      ones.push_back(d);
  const int64_t nb = count(a, batch), nl = count(a, left), nr = count(b, right),
                ns = count(a, both);
  Tensor x = reshape(permute(a, join({&batch, &left, &both, &right, &ones})), {{nb, nl, ns}});
  Tensor y = reshape(permute(b, join({&batch, &both, &right, &left, &ones})), {{nb, ns, nr}});
  Tensor z = bmm(x, y);
  Dims shape, order = join({&batch, &left, &right, &both, &ones});
  for (int64_t d : batch) shape.push_back(a.size(d));
  for (int64_t d : left) shape.push_back(a.size(d));
  for (int64_t d : right) shape.push_back(b.size(d));
  for (int64_t i = 0; i < both.size() + ones.size(); ++i) shape.push_back(1);
  Dims inverse(dims, 0);
  for (int64_t i = 0; i < dims; ++i) inverse[order[i]] = i;
  return permute(reshape(z, shape), inverse);
}

}  // namespace

Tensor einsum(std::string_view equation, TensorList tensors) {
  PC_CHECK_VALUE(
      !tensors.empty(),
      "einsum(): must specify the equation string and at least one operand, or at least one "
      "operand and its subscripts list");
  const size_t arrow = equation.find("->"),
               inputs_end = arrow == std::string_view::npos ? equation.size() : arrow;

  std::vector<std::vector<int>> labels;
  for (size_t begin = 0;;) {
    const size_t comma = std::min(equation.find(',', begin), inputs_end);
    PC_CHECK(labels.size() < tensors.size(),
             "einsum(): fewer operands were provided than specified in the equation");
    labels.push_back(labels_of(equation, begin, comma, str("operand ", labels.size())));
    if (comma >= inputs_end) break;
    begin = comma + 1;
  }
  PC_CHECK(labels.size() >= tensors.size(),
           "einsum(): more operands were provided than specified in the equation");

  // The ellipsis of every operand, aligned to the right.
  std::array<int64_t, kLetters> count{};
  int64_t ellipsis = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    int64_t named = 0;
    bool dots = false;
    for (int l : labels[i]) {
      if (l == kEllipsis)
        dots = true;
      else
        ++named, ++count[static_cast<size_t>(l)];
    }
    const int64_t dim = tensors[i].dim();
    PC_CHECK(dots ? named <= dim : named == dim,
             "einsum(): the number of subscripts in the equation (", named, ") ",
             dots ? "is more than the number of dimensions ("
                  : "does not match the number of dimensions (",
             dim, ") for operand ", i, dots ? "" : " and no ellipsis was given");
    if (dots) ellipsis = std::max(ellipsis, dim - named);
  }

  // Positions: output labels first, then those to be summed, in alphabetical order.
  std::vector<int> position(static_cast<size_t>(kLetters + ellipsis), -1);
  Contraction c;
  if (arrow == std::string_view::npos) {
    for (int64_t e = 0; e < ellipsis; ++e)
      position[static_cast<size_t>(kLetters + e)] = static_cast<int>(c.dims++);
    for (size_t l = 0; l < kLetters; ++l)
      if (count[l] == 1) position[l] = static_cast<int>(c.dims++);
  } else {
    for (int l : labels_of(equation, arrow + 2, equation.size(), "the output")) {
      if (l == kEllipsis) {
        for (int64_t e = 0; e < ellipsis; ++e)
          position[static_cast<size_t>(kLetters + e)] = static_cast<int>(c.dims++);
        continue;
      }
      const auto at = static_cast<size_t>(l);
      PC_CHECK(position[at] < 0, "einsum(): output subscript ", letter_name(l),
               " appears more than once in the output");
      PC_CHECK(count[at] > 0, "einsum(): output subscript ", letter_name(l),
               " does not appear in the equation for any input operand");
      position[at] = static_cast<int>(c.dims++);
    }
  }
  c.out_dims = c.dims;
  for (size_t l = 0; l < position.size(); ++l)
    if (position[l] < 0 && (l >= kLetters || count[l] > 0))
      position[l] = static_cast<int>(c.dims++);

  // Bring all operands to the common order and check the sizes.
  std::vector<Tensor> operands;
  Dims sizes(c.dims, 1);
  c.last_use.assign(static_cast<size_t>(c.dims), 0);
  for (size_t i = 0; i < tensors.size(); ++i) {
    std::vector<int> own;
    const int64_t named = static_cast<int64_t>(
        std::count_if(labels[i].begin(), labels[i].end(), [](int l) { return l != kEllipsis; }));
    for (int l : labels[i]) {
      if (l != kEllipsis) {
        own.push_back(l);
        continue;
      }
      const int64_t n = tensors[i].dim() - named;
      for (int64_t e = ellipsis - n; e < ellipsis; ++e)
        own.push_back(static_cast<int>(kLetters + e));
    }
    Tensor t = by_labels(tensors[i], own, position, c.dims, static_cast<int>(i));
    for (int64_t d = 0; d < c.dims; ++d) {
      const int64_t n = t.size(d);
      if (n == 1) continue;
      c.last_use[static_cast<size_t>(d)] = static_cast<int>(i);
      if (sizes[d] == 1) sizes[d] = n;
      if (sizes[d] != n) {
        const auto at =
            std::find(position.begin(), position.end(), static_cast<int>(d)) - position.begin();
        if (at >= kLetters)
          fail(ErrorKind::runtime, "einsum(): the ellipsis has size ", n, " for operand ", i,
               " which does not broadcast with previously seen size ", sizes[d]);
        fail(ErrorKind::runtime, "einsum(): subscript ", letter_name(static_cast<int>(at)),
             " has size ", n, " for operand ", i,
             " which does not broadcast with previously seen size ", sizes[d]);
      }
    }
    operands.push_back(std::move(t));
  }

  // Contract from left to right; a label is summed with the last operand that has it.
  Tensor out = operands[0];
  Dims done;
  for (int64_t d = c.out_dims; d < c.dims; ++d)
    if (c.last_use[static_cast<size_t>(d)] == 0) done.push_back(d);
  if (!done.empty()) out = sum_dims(out, done, true);
  for (size_t i = 1; i < operands.size(); ++i) {
    std::vector<bool> sum(static_cast<size_t>(c.dims), false);
    for (int64_t d = c.out_dims; d < c.dims; ++d)
      sum[static_cast<size_t>(d)] = c.last_use[static_cast<size_t>(d)] == static_cast<int>(i);
    out = sum_product(out, operands[i], sum);
  }
  if (c.dims > c.out_dims) {
    Dims shape(out.sizes().begin(), out.sizes().begin() + c.out_dims);
    out = reshape(out, shape);
  }
  if (out.is(tensors[0])) out = view(out, out.sizes());  // never the operand itself
  return out;
}
// The Python layer takes operands one by one, and numbers in place of letters.
PYCORE_OP("_einsum(str equation, Tensor[] operands) -> Tensor", einsum, kFunction, "");

// --- tensordot
// -----------------------------------------------------------------------------------------------------------------

static Tensor tensordot(const Tensor& a, const Tensor& b, IntSpan dims_a, IntSpan dims_b) {
  PC_CHECK(dims_a.size() == dims_b.size(), "both dimension lists should have same length, got ",
           Dims(dims_a), " and ", Dims(dims_b));
  PC_CHECK(a.dtype() == b.dtype(), "both inputs should have same dtype");
  std::vector<bool> in_a(static_cast<size_t>(a.dim())), in_b(static_cast<size_t>(b.dim()));
  Dims order_a, order_b, shape;
  int64_t k = 1;
  Tensor x = a, y = b;
  for (size_t i = 0; i < dims_a.size(); ++i) {
    const int64_t da = wrap_dim(dims_a[i], a.dim()), db = wrap_dim(dims_b[i], b.dim());
    PC_CHECK(!in_a[static_cast<size_t>(da)] && !in_b[static_cast<size_t>(db)], "dim ", da,
             " appears multiple times in the list of dims");
    in_a[static_cast<size_t>(da)] = in_b[static_cast<size_t>(db)] = true;
    if (y.size(db) == 1) x = sum_dims(x, {{da}}, true);
    if (x.size(da) == 1 && y.size(db) != 1) y = sum_dims(y, {{db}}, true);
    PC_CHECK(x.size(da) == y.size(db), "contracted dimensions need to match, but first has size ",
             a.size(da), " in dim ", dims_a[i], " and second has size ", b.size(db), " in dim ",
             dims_b[i]);
    k *= x.size(da);
  }
  int64_t m = 1, n = 1;
  for (int64_t d = 0; d < a.dim(); ++d)
    if (!in_a[static_cast<size_t>(d)]) {
      order_a.push_back(d);
      shape.push_back(a.size(d));
      m *= a.size(d);
    }
  for (int64_t d : dims_a) order_a.push_back(wrap_dim(d, a.dim()));
  for (int64_t d : dims_b) order_b.push_back(wrap_dim(d, b.dim()));
  for (int64_t d = 0; d < b.dim(); ++d)
    if (!in_b[static_cast<size_t>(d)]) {
      order_b.push_back(d);
      shape.push_back(b.size(d));
      n *= b.size(d);
    }
  return reshape(mm(reshape(permute(x, order_a), {{m, k}}), reshape(permute(y, order_b), {{k, n}})),
                 shape);
}
// The Python layer turns dims=n into the two lists.
PYCORE_OP("_tensordot(Tensor input, Tensor other, int[] dims_self, int[] dims_other) -> Tensor",
          tensordot, kFunction, "");

// --- chains of matrices
// ----------------------------------------------------------------------------------------------------------

// The order with the fewest multiplications, by dynamic programming (Cormen et al., Introduction to
// Algorithms, 15.2).
static Tensor multi_dot(TensorList given) {
  const auto count = static_cast<int64_t>(given.size());
  PC_CHECK(count >= 2, "multi_dot(): expected at least 2 tensors but got ", count);
  std::vector<Tensor> list(given.begin(), given.end());
  const bool row = list.front().dim() == 1, column = list.back().dim() == 1;
  if (row) list.front() = unsqueeze(list.front(), 0);
  if (column) list.back() = unsqueeze(list.back(), 1);
  Dims p;
  for (int64_t i = 0; i < count; ++i) {
    const Tensor& t = list[static_cast<size_t>(i)];
    PC_CHECK(t.dim() == 2, "multi_dot(): tensor ", i, " must be 2D",
             i == 0 || i + 1 == count ? " or 1D" : "", " but got ",
             given[static_cast<size_t>(i)].dim(), "D");
    PC_CHECK(i == 0 || p.back() == t.sizes()[0], "multi_dot(): tensors ", i - 1, " and ", i,
             " with shapes ", given[static_cast<size_t>(i ? i - 1 : 0)].sizes(), " and ",
             given[static_cast<size_t>(i)].sizes(), " cannot be multiplied");
    if (i == 0) p.push_back(t.sizes()[0]);
    p.push_back(t.sizes()[1]);
  }
  std::vector<std::vector<double>> cost(static_cast<size_t>(count),
                                        std::vector<double>(static_cast<size_t>(count)));
  std::vector<std::vector<int64_t>> split(static_cast<size_t>(count),
                                          std::vector<int64_t>(static_cast<size_t>(count)));
  for (int64_t length = 1; length < count; ++length) {
    for (int64_t i = 0; i + length < count; ++i) {
      const int64_t j = i + length;
      auto& best = cost[static_cast<size_t>(i)][static_cast<size_t>(j)];
      best = -1;
      for (int64_t s = i; s < j; ++s) {
        const double c = cost[static_cast<size_t>(i)][static_cast<size_t>(s)] +
                         cost[static_cast<size_t>(s + 1)][static_cast<size_t>(j)] +
                         static_cast<double>(p[i]) * static_cast<double>(p[s + 1]) *
                             static_cast<double>(p[j + 1]);
        if (best < 0 || c < best) {
          best = c;
          split[static_cast<size_t>(i)][static_cast<size_t>(j)] = s;
        }
      }
    }
  }
  auto multiply = [&](auto&& self, int64_t i, int64_t j) -> Tensor {
    if (i == j) return list[static_cast<size_t>(i)];
    const int64_t s = split[static_cast<size_t>(i)][static_cast<size_t>(j)];
    return mm(self(self, i, s), self(self, s + 1, j));
  };
  Tensor out = multiply(multiply, 0, count - 1);
  Dims shape;
  if (!row) shape.push_back(p[0]);
  if (!column) shape.push_back(p.back());
  return view(out, shape);
}
PYCORE_OP("linalg.multi_dot(Tensor[] tensors) -> Tensor", multi_dot, kFunction, R"(
The product of two or more matrices in the order that needs the fewest multiplications. The first and the last may be
vectors.

>>> pycore.linalg.multi_dot([pycore.ones(2, 3), pycore.ones(3, 4), pycore.ones(4, 1)]).flatten()
tensor([12., 12.])
)");
static Tensor chain_matmul(TensorList matrices) {
  PC_CHECK(!matrices.empty(), "chain_matmul(): Expected one or more matrices");
  for (size_t i = 0; i < matrices.size(); ++i)
    PC_CHECK(matrices[i].dim() == 2, "Tensor ", matrices[i].dim(), "-D given as matrix ", i,
             " of chain_matmul(), expected 2-D");
  return matrices.size() == 1 ? matrices[0] : multi_dot(matrices);
}
PYCORE_OP("_chain_matmul(Tensor[] matrices) -> Tensor", chain_matmul, kFunction, "");

}  // namespace pycore
