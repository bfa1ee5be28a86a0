// Overload resolution and argument conversion. A match attempt raises nothing: the first overload
// that takes all arguments runs; only when none does is an error text made. Must not know
// particular operators.
#include "python/parser.h"

#include <structseq.h>

#include <unordered_map>

#include "core/rng.h"
#include "python/dtype_object.h"
#include "python/explain.h"

namespace pycore::python {

bool number_value(PyObject* o, Value& v) {
  if (PyFloat_Check(o)) {
    v.kind = Value::Kind::number;
    v.d = PyFloat_AS_DOUBLE(o);
    return true;
  }
  if (PyBool_Check(o)) {
    v.kind = Value::Kind::boolean;
    v.i = o == Py_True;
    return true;
  }
  if (PyLong_Check(o)) {
    int overflow;
    v.kind = Value::Kind::integer;
    v.i = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow)
      fail(ErrorKind::value,
           "Overflow when unpacking long long: the integer does not fit in 64 bits");
    return true;
  }
  if (is_tensor(o) || PyUnicode_Check(o) || PySequence_Check(o) || o == Py_None) return false;
  // Numbers of other libraries (NumPy's scalars).
  PyNumberMethods* nb = Py_TYPE(o)->tp_as_number;
  if (nb && nb->nb_index) {
    PyObject* i = PyNumber_Index(o);
    if (!i) throw py::error_already_set();
    bool ok = number_value(i, v);
    Py_DECREF(i);
    return ok;
  }
  if (nb && nb->nb_float && !PyType_Check(o)) {
    // numpy.bool_ has no __index__ but converts to 0.0 or 1.0; keep it a bool.
    double d = PyFloat_AsDouble(o);
    if (d == -1 && PyErr_Occurred()) throw py::error_already_set();
    bool is_bool = std::string_view(Py_TYPE(o)->tp_name).find("bool") != std::string_view::npos;
    v.kind = is_bool ? Value::Kind::boolean : Value::Kind::number;
    if (is_bool)
      v.i = d != 0;
    else
      v.d = d;
    return true;
  }
  return false;
}

namespace {

// An index-like integer: int, NumPy integer, or integer tensor with one element. bool counts as
// int, as in PyTorch.
bool int_value(PyObject* o, int64_t& out) {
  if (PyLong_Check(o)) {
    int overflow;
    out = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow)
      fail(ErrorKind::value,
           "Overflow when unpacking long long: the integer does not fit in 64 bits");
    return true;
  }
  if (is_tensor(o)) {
    const Tensor& t = unwrap(o);
    if (t.numel() != 1 || is_floating(t.dtype())) return false;
    out = read_scalar(t->data, t.dtype()).to_int();
    return true;
  }
  if (PyFloat_Check(o) || !PyIndex_Check(o)) return false;
  PyObject* i = PyNumber_Index(o);
  if (!i) {
    PyErr_Clear();
    return false;
  }
  bool ok = int_value(i, out);
  Py_DECREF(i);
  return ok;
}

bool is_list(PyObject* o) { return PyTuple_Check(o) || PyList_Check(o); }

bool int_list(PyObject* o, Frame& f, Value& v) {
  if (!is_list(o)) return false;
  PyObject** items = PySequence_Fast_ITEMS(o);
  Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  int64_t* p = f.ints(static_cast<size_t>(n));
  for (Py_ssize_t i = 0; i < n; ++i)
    if (!int_value(items[i], p[i])) return false;
  v.kind = Value::Kind::list;
  v.list = p;
  v.length = static_cast<int32_t>(n);
  return true;
}

bool read_memory_format(PyObject* o, Value& v) {
  v.kind = Value::Kind::none;
  if (o == Py_None) return true;
  static PyObject* attribute = PyUnicode_InternFromString("_name");
  const py::object name = py::reinterpret_steal<py::object>(PyObject_GetAttr(o, attribute));
  if (!name || !PyUnicode_Check(name.ptr())) return PyErr_Clear(), false;
  v.kind = Value::Kind::boolean;
  v.i = PyUnicode_CompareWithASCIIString(name.ptr(), "preserve_format") != 0;
  return true;
}

bool convert(PyObject* o, const Param& p, Frame& f, Value& v) {
  using T = ArgType;
  switch (p.type) {
    case T::tensor_opt:
      if (o == Py_None) {
        v.kind = Value::Kind::none;
        v.tensor = nullptr;
        return true;
      }
      [[fallthrough]];
    case T::tensor:
      if (!is_tensor(o)) return false;
      v.kind = Value::Kind::tensor;
      v.tensor = unwrap(o).impl();
      return true;
    case T::operand:
      if (is_tensor(o)) {
        v.kind = Value::Kind::tensor;
        v.tensor = unwrap(o).impl();
        return true;
      }
      return number_value(o, v);
    case T::tensor_list: {
      if (!is_list(o)) return false;
      PyObject** items = PySequence_Fast_ITEMS(o);
      Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
      TensorImpl** list = f.tensors(static_cast<size_t>(n));
      for (Py_ssize_t i = 0; i < n; ++i) {
        if (!is_tensor(items[i])) return false;
        list[i] = unwrap(items[i]).impl();
      }
      v.kind = Value::Kind::list;
      v.list = list;
      v.length = static_cast<int32_t>(n);
      return true;
    }
    case T::scalar_opt:
      if (o == Py_None) return v.kind = Value::Kind::none, true;
      [[fallthrough]];
    case T::scalar:
      if (is_tensor(o)) {
        const Tensor& t = unwrap(o);
        if (t.dim() != 0 || t.requires_grad()) return false;
        Scalar s = read_scalar(t->data, t.dtype());
        v.kind = s.is_floating() ? Value::Kind::number
                 : s.is_bool()   ? Value::Kind::boolean
                                 : Value::Kind::integer;
        if (s.is_floating())
          v.d = s.to_double();
        else
          v.i = s.to_int();
        return true;
      }
      return number_value(o, v);
    case T::integer_opt:
      if (o == Py_None) return v.kind = Value::Kind::none, true;
      [[fallthrough]];
    case T::integer:
      v.kind = Value::Kind::integer;
      return int_value(o, v.i);
    case T::int_list_opt:
      if (o == Py_None) return v.kind = Value::Kind::none, true;
      [[fallthrough]];
    case T::int_list: {
      int64_t single;
      if (p.fixed_length > 0 && !is_list(o) && int_value(o, single)) {
        int64_t* list = f.ints(static_cast<size_t>(p.fixed_length));
        for (int32_t i = 0; i < p.fixed_length; ++i) list[i] = single;
        v.kind = Value::Kind::list;
        v.list = list;
        v.length = p.fixed_length;
        return true;
      }
      if (!int_list(o, f, v)) return false;
      // (3,) stands for (3, 3) as 3 does.
      if (p.fixed_length > 1 && v.length == 1) {
        single = *static_cast<const int64_t*>(v.list);
        int64_t* list = f.ints(static_cast<size_t>(p.fixed_length));
        for (int32_t i = 0; i < p.fixed_length; ++i) list[i] = single;
        v.list = list;
        v.length = p.fixed_length;
      }
      return true;
    }
    case T::number_opt:
      if (o == Py_None) return v.kind = Value::Kind::none, true;
      [[fallthrough]];
    case T::number:
      if (is_tensor(o)) {
        const Tensor& t = unwrap(o);
        if (t.numel() != 1) return false;
        v.kind = Value::Kind::number;
        v.d = read_scalar(t->data, t.dtype()).to_double();
        return true;
      }
      return number_value(o, v);
    case T::float_list_opt: {
      if (o == Py_None) return v.kind = Value::Kind::none, true;
      if (!is_list(o)) return false;
      Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
      double* list = f.doubles(static_cast<size_t>(n));
      for (Py_ssize_t i = 0; i < n; ++i) {
        Value x;
        if (!number_value(PySequence_Fast_ITEMS(o)[i], x)) return false;
        list[i] = x.as_scalar().to_double();
      }
      v.kind = Value::Kind::list;
      v.list = list;
      v.length = static_cast<int32_t>(n);
      return true;
    }
    case T::boolean_opt:
      if (o == Py_None) return v.kind = Value::Kind::none, true;
      [[fallthrough]];
    case T::boolean:
      v.kind = Value::Kind::boolean;
      if (PyBool_Check(o)) {
        v.i = o == Py_True;
        return true;
      }
      // numpy.bool_ and 0-d bool tensors; plain ints are refused as in PyTorch.
      if (is_tensor(o) && unwrap(o).numel() == 1) {
        v.i = read_scalar(unwrap(o)->data, unwrap(o).dtype()).to_bool();
        return true;
      }
      if (std::string_view(Py_TYPE(o)->tp_name).substr(0, 10) == "numpy.bool") {
        v.i = PyObject_IsTrue(o);
        return true;
      }
      return false;
    case T::dtype_opt:
      if (o == Py_None) return v.kind = Value::Kind::none, true;
      [[fallthrough]];
    case T::dtype: {
      auto t = as_dtype(o);
      if (!t) return false;
      v.kind = Value::Kind::dtype;
      v.i = static_cast<int64_t>(*t);
      return true;
    }
    case T::string_opt:
      if (o == Py_None) return v.kind = Value::Kind::none, true;
      [[fallthrough]];
    case T::string: {
      if (!PyUnicode_Check(o)) return false;
      Py_ssize_t n;
      v.text = PyUnicode_AsUTF8AndSize(o, &n);
      if (!v.text) throw py::error_already_set();
      v.kind = Value::Kind::text;
      v.length = static_cast<int32_t>(n);
      return true;
    }
    case T::generator_opt:
      if (o == Py_None) return v.kind = Value::Kind::none, true;
      if (!py::isinstance<Generator>(py::handle(o))) return false;
      v.kind = Value::Kind::pointer;
      v.list = py::cast<Generator*>(py::handle(o));
      return true;
    case T::device_opt:
      v.kind = Value::Kind::none;
      return o == Py_None || check_device(o);
    case T::memory_format:
      return read_memory_format(o, v);
    case T::ignored:
      v.kind = Value::Kind::none;
      return true;
  }
  return false;
}

// NumPy's names for the same things.
const char* other_name(std::string_view keyword) {
  if (keyword == "axis") return "dim";
  if (keyword == "keepdims") return "keepdim";
  if (keyword == "x" || keyword == "a" || keyword == "self") return "input";
  if (keyword == "x2") return "other";
  return nullptr;
}

int find_param(const OpGroup& group, size_t op, PyObject* keyword) {
  const auto& names = group.names[op];
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == keyword) return static_cast<int>(i);
  for (size_t i = 0; i < names.size(); ++i)
    if (PyUnicode_Compare(names[i], keyword) == 0) return static_cast<int>(i);
  const char* other = other_name(PyUnicode_AsUTF8(keyword));
  if (!other) return -1;
  for (size_t i = 0; i < names.size(); ++i)
    if (PyUnicode_CompareWithASCIIString(names[i], other) == 0) return static_cast<int>(i);
  return -1;
}

// Tries one overload. Returns whether it matched; f.values is then complete. `why` (if given) gets
// the reason it did not.
bool match(const OpGroup& group, size_t index, PyObject* const* args, Py_ssize_t nargs,
           PyObject* kwnames, PyObject* out, Frame& f, std::string* why) {
  const Op& op = *group.ops[index];
  const auto& params = op.params;
  auto no = [&](auto&&... parts) {
    if (why) *why = str(parts...);
    return false;
  };
  if (out && !(op.flags & kOut)) return no("got an unexpected keyword argument 'out'");
  size_t n = params.size();
  uint32_t bound = 0;
  Py_ssize_t taken = 0;
  for (size_t i = 0; i < n && taken < nargs; ++i) {
    const Param& p = params[i];
    if (p.keyword_only) break;
    // Sizes may be given as separate ints: x.view(2, 3).
    if (p.type == ArgType::int_list && p.fixed_length == 0 && i <= 1 && !is_list(args[taken])) {
      Py_ssize_t count = nargs - taken;
      int64_t* list = f.ints(static_cast<size_t>(count));
      Py_ssize_t k = 0;
      while (k < count && int_value(args[taken + k], list[k])) ++k;
      if (k == 0 || (k < count && n == i + 1))
        return no("argument '", p.name, "' (position ", taken + 1, ") must be tuple of ints, not ",
                  Py_TYPE(args[taken + k])->tp_name);
      if (k < count) return no("takes fewer positional arguments");
      Value& v = f.values[i];
      v.kind = Value::Kind::list;
      v.list = list;
      v.length = static_cast<int32_t>(k);
      bound |= 1u << i;
      taken = nargs;
      break;
    }
    if (p.type == ArgType::tensor_list && p.fixed_length == Param::kVariadic &&
        is_tensor(args[taken])) {
      Py_ssize_t count = 0;
      while (taken + count < nargs && is_tensor(args[taken + count])) ++count;
      TensorImpl** list = f.tensors(static_cast<size_t>(count));
      for (Py_ssize_t k = 0; k < count; ++k) list[k] = unwrap(args[taken + k]).impl();
      Value& v = f.values[i];
      v.kind = Value::Kind::list;
      v.list = list;
      v.length = static_cast<int32_t>(count);
      bound |= 1u << i;
      taken += count;
      continue;
    }
    if (!convert(args[taken], p, f, f.values[i])) {
      return no("argument '", p.name, "' (position ", taken + 1, ") must be ",
                p.type == ArgType::tensor || p.type == ArgType::tensor_opt ? "Tensor"
                : p.type == ArgType::tensor_list                           ? "tuple of Tensors"
                : p.type == ArgType::operand                               ? "Tensor or Number"
                : p.type == ArgType::int_list || p.type == ArgType::int_list_opt ? "tuple of ints"
                : p.type == ArgType::integer || p.type == ArgType::integer_opt   ? "int"
                : p.type == ArgType::number || p.type == ArgType::number_opt     ? "float"
                : p.type == ArgType::scalar || p.type == ArgType::scalar_opt     ? "Number"
                : p.type == ArgType::boolean || p.type == ArgType::boolean_opt   ? "bool"
                : p.type == ArgType::dtype || p.type == ArgType::dtype_opt       ? "dtype"
                : p.type == ArgType::string || p.type == ArgType::string_opt     ? "str"
                                                                                 : "another type",
                ", not ", Py_TYPE(args[taken])->tp_name);
    }
    bound |= 1u << i;
    ++taken;
  }
  if (taken < nargs) {
    size_t positional = 0;
    for (auto& p : params) positional += !p.keyword_only;
    return no("takes ", positional, " positional argument", positional == 1 ? "" : "s", " but ",
              nargs, nargs == 1 ? " was" : " were", " given");
  }
  if (kwnames) {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kwnames); ++k) {
      PyObject* keyword = PyTuple_GET_ITEM(kwnames, k);
      if (PyUnicode_CompareWithASCIIString(keyword, "out") == 0 && group.has_out) continue;
      int i = find_param(group, index, keyword);
      if (i < 0) return no("got an unexpected keyword argument '", PyUnicode_AsUTF8(keyword), "'");
      if (bound >> i & 1)
        return no("got multiple values for argument '", PyUnicode_AsUTF8(keyword), "'");
      if (!convert(args[nargs + k], params[static_cast<size_t>(i)], f, f.values[i]))
        return no("argument '", params[static_cast<size_t>(i)].name, "' has the wrong type: got ",
                  Py_TYPE(args[nargs + k])->tp_name);
      bound |= 1u << i;
    }
  }
  for (size_t i = 0; i < n; ++i) {
    if (bound >> i & 1) continue;
    if (params[i].required)
      return no("missing required argument '", params[i].name, "' (position ", i + 1, ")");
    f.values[i] = params[i].default_value;
  }
  return true;
}

// "(Tensor input, int dim)": what an error lists.
std::string signature(const Op& op) {
  std::string s(op.schema);
  size_t open = s.find('('), close = s.rfind("->");
  return s.substr(open, close - open - 1);
}

std::string argument_types(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  std::string s;
  Py_ssize_t total = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
  for (Py_ssize_t i = 0; i < total; ++i) {
    if (i) s += ", ";
    if (i >= nargs) s += std::string(PyUnicode_AsUTF8(PyTuple_GET_ITEM(kwnames, i - nargs))) + "=";
    const char* type = Py_TYPE(args[i])->tp_name;
    s += std::string(type).substr(0, 7) == "pycore." ? type + 7 : type;
  }
  return s;
}

[[gnu::noinline]] void no_overload(const OpGroup& group, CallKind kind, PyObject* const* args,
                                   Py_ssize_t nargs, PyObject* kwnames, PyObject* out) {
  std::string shown = group.name + (kind == CallKind::inplace ? "_" : "");
  if (group.ops.size() == 1) {
    Frame f;
    std::string why;
    match(group, 0, args, nargs, kwnames, out, f, &why);
    fail(ErrorKind::type, shown, why.starts_with("argument") ? "(): " : "() ", why, "; expected ",
         shown, signature(*group.ops[0]));
  }
  std::string text = shown + "() received an invalid combination of arguments - got (" +
                     argument_types(args, nargs, kwnames) + "), but expected one of:";
  for (auto* op : group.ops) text += "\n * " + signature(*op);
  fail(ErrorKind::type, text);
}

// pycore.return_types.<name>: made when first returned.
PyTypeObject* return_type(const Op& op) {
  static std::unordered_map<const Op*, PyTypeObject*> types;
  auto& type = types[&op];
  if (!type) {
    auto* fields = new PyStructSequence_Field[op.return_names.size() + 1]();
    for (size_t i = 0; i < op.return_names.size(); ++i) fields[i].name = op.return_names[i].c_str();
    auto* full = new std::string("pycore.return_types." + op.name);
    PyStructSequence_Desc desc{full->c_str(), nullptr, fields,
                               static_cast<int>(op.return_names.size())};
    type = PyStructSequence_NewType(&desc);
    if (!type) throw py::error_already_set();
    // A field per line, as PyTorch prints them.
    type->tp_repr = [](PyObject* self) -> PyObject* {
      auto names = py::reinterpret_steal<py::object>(
          PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(self)), "__match_args__"));
      if (!names) return nullptr;
      std::string text = std::string(Py_TYPE(self)->tp_name) + "(";
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); ++i) {
        auto value = py::reinterpret_steal<py::object>(PyObject_Repr(PyTuple_GET_ITEM(self, i)));
        if (!value) return nullptr;
        text += std::string(i ? "," : "") + "\n" +
                PyUnicode_AsUTF8(PyTuple_GET_ITEM(names.ptr(), i)) + "=" +
                PyUnicode_AsUTF8(value.ptr());
      }
      return PyUnicode_FromString((text + ")").c_str());
    };
  }
  return type;
}

}  // namespace

PyObject* scalar_to_python(const Scalar& s) {
  if (s.is_floating()) return PyFloat_FromDouble(s.to_double());
  if (s.is_bool()) return PyBool_FromLong(s.to_bool());
  return PyLong_FromLongLong(s.to_int());
}

PyObject* to_python(Result& r, const Op& op) {
  switch (r.kind) {
    case Result::Kind::none:
      Py_RETURN_NONE;
    case Result::Kind::tensor:
      return wrap(std::move(r.tensor));
    case Result::Kind::tuple:
    case Result::Kind::list: {
      auto n = static_cast<Py_ssize_t>(r.tensors.size());
      bool named = r.kind == Result::Kind::tuple && !op.return_names.empty();
      PyObject* out = named ? PyStructSequence_New(return_type(op)) : PyTuple_New(n);
      if (!out) throw py::error_already_set();
      for (Py_ssize_t i = 0; i < n; ++i) {
        PyObject* item = wrap(std::move(r.tensors[static_cast<size_t>(i)]));
        if (named)
          PyStructSequence_SET_ITEM(out, i, item);
        else
          PyTuple_SET_ITEM(out, i, item);
      }
      return out;
    }
    case Result::Kind::boolean:
      return PyBool_FromLong(r.scalar.to_bool());
    case Result::Kind::integer:
      return PyLong_FromLongLong(r.scalar.to_int());
    case Result::Kind::number:
      return PyFloat_FromDouble(r.scalar.to_double());
    case Result::Kind::scalar:
      return scalar_to_python(r.scalar);
    case Result::Kind::dtype:
      return Py_NewRef(dtype_object(static_cast<DType>(r.scalar.to_int())));
    case Result::Kind::text:
      return PyUnicode_FromStringAndSize(r.text.data(), static_cast<Py_ssize_t>(r.text.size()));
  }
  Py_RETURN_NONE;
}

PyObject* call_group(const OpGroup& group, CallKind kind, PyObject* const* args, Py_ssize_t nargs,
                     PyObject* kwnames) {
  PC_PYTHON_TRY
  PyObject* out = nullptr;
  if (kwnames && group.has_out) {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kwnames); ++k)
      if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, k), "out") == 0 &&
          args[nargs + k] != Py_None)
        out = args[nargs + k];
  }
  Frame f;
  size_t chosen = group.ops.size();
  for (size_t i = 0; i < group.ops.size(); ++i) {
    if (match(group, i, args, nargs, kwnames, out, f, nullptr)) {
      chosen = i;
      break;
    }
    f.reset();
  }
  if (chosen == group.ops.size()) no_overload(group, kind, args, nargs, kwnames, out);
  const Op& op = *group.ops[chosen];
  ExplainScope entry(op.name.c_str());
  Result result;
  if (out) {
    std::vector<Tensor> targets;
    if (is_tensor(out)) {
      targets.push_back(unwrap(out));
    } else {
      PC_CHECK_TYPE(is_list(out), op.name,
                    "(): argument 'out' must be Tensor or tuple of Tensors, not ",
                    Py_TYPE(out)->tp_name);
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(out); ++i) {
        PyObject* o = PySequence_Fast_ITEMS(out)[i];
        PC_CHECK_TYPE(is_tensor(o), op.name, "(): argument 'out' must be tuple of Tensors, not ",
                      Py_TYPE(o)->tp_name);
        targets.push_back(unwrap(o));
      }
    }
    call_out(op, f.values, targets, result);
  } else if (kind == CallKind::inplace) {
    call_inplace(op, f.values, result);
  } else {
    op.invoke(f.values, result);
  }
  PyObject* made = to_python(result, op);
  if (!entry) [[likely]]
    return made;
  return explained(entry, args, nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0), made);
  PC_PYTHON_CATCH(nullptr)
}

}  // namespace pycore::python
