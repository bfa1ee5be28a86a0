// The operator registry, the schema parser, and the in-place and out= variants. Must not know any
// particular operator.
#include "ops/op.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "ops/ops.h"

namespace pycore {

thread_local OutTarget t_out_target;

namespace {

std::vector<Op*>& registry() {
  static std::vector<Op*> ops;
  return ops;
}

// --- schema parser
// --------------------------------------------------------------------------------------------------

struct SchemaParser {
  std::string_view text;
  size_t at = 0;

  [[noreturn]] void bad(const char* what) const {
    fail(ErrorKind::runtime, "operator schema '", std::string(text), "': ", what, " at position ",
         at);
  }
  void space() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n')) ++at;
  }
  bool accept(std::string_view token) {
    space();
    if (text.substr(at, token.size()) != token) return false;
    at += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) bad("unexpected text");
  }
  std::string word() {
    space();
    size_t start = at;
    while (at < text.size() &&
           (isalnum(static_cast<unsigned char>(text[at])) || text[at] == '_' || text[at] == '.'))
      ++at;
    return std::string(text.substr(start, at - start));
  }
  // Up to the next comma or closing bracket at depth zero.
  std::string until_delimiter() {
    space();
    size_t start = at;
    int depth = 0;
    for (; at < text.size(); ++at) {
      char c = text[at];
      if (depth == 0 && (c == ',' || c == ')')) break;
      if (c == '(' || c == '[') ++depth;
      if (c == ')' || c == ']') --depth;
    }
    return std::string(text.substr(start, at - start));
  }

  void type(Param& p) {
    std::string base = word();
    if (accept("|Scalar")) {
      if (base != "Tensor") bad("only Tensor|Scalar is known");
      p.type = ArgType::operand;
      return;
    }
    bool list = false;
    if (accept("[")) {
      if (accept("*")) {
        p.fixed_length = Param::kVariadic;
      } else {
        std::string n = word();
        if (!n.empty()) p.fixed_length = atoi(n.c_str());
      }
      expect("]");
      list = true;
    }
    bool opt = accept("?");
    using T = ArgType;
    if (base == "Tensor")
      p.type = list ? T::tensor_list : opt ? T::tensor_opt : T::tensor;
    else if (base == "Scalar")
      p.type = opt ? T::scalar_opt : T::scalar;
    else if (base == "int")
      p.type = list ? (opt ? T::int_list_opt : T::int_list) : opt ? T::integer_opt : T::integer;
    else if (base == "float")
      p.type = list ? T::float_list_opt : opt ? T::number_opt : T::number;
    else if (base == "bool")
      p.type = opt ? T::boolean_opt : T::boolean;
    else if (base == "dtype")
      p.type = opt ? T::dtype_opt : T::dtype;
    else if (base == "str")
      p.type = opt ? T::string_opt : T::string;
    else if (base == "Generator")
      p.type = T::generator_opt;
    else if (base == "memory_format")
      p.type = T::memory_format;
    else if (base == "device")
      p.type = T::device_opt;
    else if (base == "layout" || base == "any")
      p.type = T::ignored;
    else
      bad("unknown type");
  }

  void default_value(Param& p) {
    p.required = false;
    p.default_text = until_delimiter();
    const std::string& d = p.default_text;
    Value& v = p.default_value;
    if (d == "None") return;
    using T = ArgType;
    switch (p.type) {
      case T::boolean:
      case T::boolean_opt:
        v.kind = Value::Kind::boolean;
        v.i = d == "True";
        return;
      case T::integer:
      case T::integer_opt:
        v.kind = Value::Kind::integer;
        v.i = atoll(d.c_str());
        return;
      case T::number:
      case T::number_opt:
        v.kind = Value::Kind::number;
        v.d = number(d);
        return;
      case T::scalar:
      case T::scalar_opt:
      case T::operand:
        if (d == "True" || d == "False") {
          v.kind = Value::Kind::boolean;
          v.i = d == "True";
        } else if (d.find_first_of(".en") != std::string::npos) {
          v.kind = Value::Kind::number;
          v.d = number(d);
        } else {
          v.kind = Value::Kind::integer;
          v.i = atoll(d.c_str());
        }
        return;
      case T::string:
      case T::string_opt:
        // 'text' with its quotes taken off; default_text keeps them for signatures.
        v.kind = Value::Kind::text;
        v.text = p.default_text.c_str() + 1;
        v.length = static_cast<int32_t>(d.size()) - 2;
        return;
      case T::int_list:
      case T::int_list_opt: {
        if (d[0] == '[') {
          for (size_t i = 1; i < d.size() && d[i] != ']';) {
            p.default_list.push_back(atoll(d.c_str() + i));
            while (i < d.size() && d[i] != ',' && d[i] != ']') ++i;
            if (i < d.size() && d[i] == ',') ++i;
          }
        } else {
          p.default_list.assign(static_cast<size_t>(std::max(1, p.fixed_length)), atoll(d.c_str()));
        }
        v.kind = Value::Kind::list;
        v.list = p.default_list.data();
        v.length = static_cast<int32_t>(p.default_list.size());
        return;
      }
      case T::ignored:
      case T::device_opt:
      case T::memory_format:
        return;
      default:
        bad("this type can't have a default");
    }
  }
  static double number(const std::string& d) {
    if (d == "inf") return std::numeric_limits<double>::infinity();
    if (d == "-inf") return -std::numeric_limits<double>::infinity();
    return strtod(d.c_str(), nullptr);
  }

  void parse(Op& op) {
    std::string full = word();
    if (size_t dot = full.find('.'); dot != std::string::npos) {
      op.space = full.substr(0, dot);
      op.name = full.substr(dot + 1);
    } else {
      op.name = full;
    }
    expect("(");
    bool keyword_only = false;
    while (!accept(")")) {
      if (accept("*")) {
        keyword_only = true;
      } else {
        // The vector must not move defaults that point into themselves, hence the reserve in the
        // caller.
        Param& p = op.params.emplace_back();
        p.keyword_only = keyword_only;
        type(p);
        p.name = word();
        if (accept("=")) default_value(p);
      }
      accept(",");
    }
    expect("->");
    space();
    op.returns = std::string(text.substr(at));
    if (op.returns[0] == '(') {
      // (Tensor values, Tensor indices): the second words are field names.
      ++at;
      while (!accept(")")) {
        word();
        std::string field = word();
        if (!field.empty()) op.return_names.push_back(field);
        accept(",");
      }
    }
  }
};

// --- in-place and out=
// ------------------------------------------------------------------------------------------------

// True if writing the target while reading `t` could read what was just written.
bool partially_overlaps(const Tensor& target, const Tensor& t) {
  if (!t.defined() || !t.shares_storage(target)) return false;
  return !(t->data == target->data && t.sizes() == target.sizes() &&
           t.strides() == target.strides() && t.dtype() == target.dtype());
}

template <class F>
void for_each_tensor(const Op& op, const Value* args, const F& f) {
  for (size_t i = 0; i < op.params.size(); ++i) {
    const Value& v = args[i];
    if (v.kind == Value::Kind::tensor) {
      f(v.as_tensor());
    } else if (v.kind == Value::Kind::list && op.params[i].type == ArgType::tensor_list) {
      for (int32_t k = 0; k < v.length; ++k) f(static_cast<const Tensor*>(v.list)[k]);
    }
  }
}

bool any_requires_grad(const Op& op, const Value* args) {
  if (!grad_enabled()) return false;
  bool any = false;
  for_each_tensor(op, args, [&](const Tensor& t) { any |= t.defined() && t.requires_grad(); });
  return any;
}

bool can_write_directly(const Op& op, const Value* args, const Tensor& target) {
  if (!(op.flags & kPointwise) || has_overlap(target)) return false;
  bool clash = false;
  for_each_tensor(op, args, [&](const Tensor& t) { clash |= partially_overlaps(target, t); });
  return !clash;
}

struct TargetGuard {
  explicit TargetGuard(const Tensor* t) { t_out_target.tensor = t; }
  ~TargetGuard() { t_out_target.tensor = nullptr; }
};

void check_castable(const Tensor& result, const Tensor& target) {
  PC_CHECK(can_cast(result.dtype(), target.dtype()), "result type ",
           scalar_type_name(result.dtype()), " can't be cast to the desired output type ",
           scalar_type_name(target.dtype()));
}

}  // namespace

const std::vector<Op*>& all_ops() { return registry(); }

OpRegistrar::OpRegistrar(const char* schema, void (*invoke)(const Value*, Result&), uint32_t flags,
                         const char* doc) {
  auto* op = new Op{schema, doc, flags, invoke, {}, {}, {}, {}, {}};
  op->params.reserve(static_cast<size_t>(
                         std::count(schema, schema + std::char_traits<char>::length(schema), ',')) +
                     1);
  SchemaParser{schema}.parse(*op);
  registry().push_back(op);
}

void call_inplace(const Op& op, Value* args, Result& result) {
  Tensor self = args[0].as_tensor();
  check_inplace(self);
  PC_CHECK(!has_overlap(self),
           "unsupported operation: more than one element of the written-to tensor refers to a "
           "single memory location. "
           "Please clone() the tensor before performing the operation.");
  bool rec = any_requires_grad(op, args);
  bool direct = can_write_directly(op, args, self) && (!rec || (op.flags & kOverwritable));
  Tensor snapshot;
  if (rec && !direct) {
    // The rule may save the old value of self: let it see a copy with the same history.
    snapshot = copy_like(self);
    if (Edge e = gradient_edge(self); e.node) set_history(snapshot, e.node, e.nr);
    for (size_t i = 0; i < op.params.size(); ++i)
      if (args[i].kind == Value::Kind::tensor && args[i].tensor == self.impl())
        args[i].tensor = snapshot.impl();
  }
  if (direct) {
    // Before the rule saves its output, so that the saved version is the one after this write.
    self.bump_version();
    TargetGuard target(&self);
    op.invoke(args, result);
  } else {
    op.invoke(args, result);
  }
  Tensor r = std::move(result.tensor);
  if (r->data != self->data || !r.shares_storage(self)) {
    check_castable(r, self);
    PC_CHECK(r.sizes() == self.sizes(), "output with shape ", self.sizes(),
             " doesn't match the broadcast shape ", r.sizes());
    copy_data(self, r);
    if (!direct) self.bump_version();
  }
  if (rec && grad_fn(r)) rebase_history(self, grad_fn(r), autograd_meta(r).output_nr);
  result.set(std::move(self));
}

void call_out(const Op& op, const Value* args, TensorList out, Result& result) {
  bool rec = any_requires_grad(op, args);
  for (auto& o : out) rec |= grad_enabled() && o.requires_grad();
  PC_CHECK(!rec, op.name,
           "(): functions with out=... arguments don't support automatic differentiation, but one "
           "of the arguments "
           "requires grad.");
  for (auto& o : out) check_inplace(o);
  bool direct = out.size() == 1 && can_write_directly(op, args, out[0]);
  if (direct) {
    TargetGuard target(&out[0]);
    op.invoke(args, result);
  } else {
    op.invoke(args, result);
  }
  auto deliver = [&](const Tensor& r, const Tensor& o) {
    o.bump_version();
    if (r->data == o->data && r.shares_storage(o)) return;
    check_castable(r, o);
    if (!(r.sizes() == o.sizes())) {
      resize(o, r.sizes());
      if (op.flags & kPointwise) set_geometry(o.impl(), r.sizes(), r.strides(), o.offset());
    }
    copy_data(o, r);
  };
  if (result.kind == Result::Kind::tensor) {
    PC_CHECK_TYPE(out.size() == 1, op.name, "(): expected 1 tensor in out=, got ", out.size());
    deliver(result.tensor, out[0]);
    result.tensor = out[0];
  } else {
    PC_CHECK_TYPE(result.tensors.size() == out.size(), op.name, "(): expected ",
                  result.tensors.size(), " tensors in out=, got ", out.size());
    for (size_t i = 0; i < out.size(); ++i) {
      deliver(result.tensors[i], out[i]);
      result.tensors[i] = out[i];
    }
  }
}

}  // namespace pycore
