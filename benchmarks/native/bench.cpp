#include "bench.h"

#include <stdlib.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "autograd/engine.h"
#include "autograd/grad_mode.h"
#include "autograd/meta.h"
#include "core/cpu.h"
#include "core/parallel.h"
#include "ops/ops.h"
#include "peaks.h"

namespace pycore::bench {
namespace {

void use_level(const std::string& isa) {
  setenv("PYCORE_ISA", isa.c_str(), 1);
  select_kernels();
}

Value value_of(const Argument& a, const Value& otherwise) {
  Value v;
  if (auto* t = std::get_if<Tensor>(&a))
    v.kind = Value::Kind::tensor, v.tensor = t->impl();
  else if (auto* i = std::get_if<int64_t>(&a))
    v.kind = Value::Kind::integer, v.i = *i;
  else if (auto* d = std::get_if<double>(&a))
    v.kind = Value::Kind::number, v.d = *d;
  else if (auto* b = std::get_if<bool>(&a))
    v.kind = Value::Kind::boolean, v.i = *b;
  else if (auto* l = std::get_if<std::vector<int64_t>>(&a))
    v.kind = Value::Kind::list, v.list = l->data(), v.length = static_cast<int32_t>(l->size());
  else if (auto* ts = std::get_if<std::vector<Tensor>>(&a))
    v.kind = Value::Kind::list, v.list = ts->data(), v.length = static_cast<int32_t>(ts->size());
  else
    return otherwise;
  return v;
}

bool in_bytes(const Work& work) {
  return work.bound == Work::Bound::copying || work.bound == Work::Bound::reading;
}

// The rate that a run cannot pass.
double limit(const Work& work, const std::string& isa, int threads) {
  const Peaks& p = peaks();
  if (in_bytes(work)) {
    const Bandwidth& b = bandwidth(work.working_set);
    if (work.bound == Work::Bound::reading) return b.capacity ? b.read * threads : b.read;
    return b.capacity ? b.copy * threads : threads == 1 ? b.copy : p.copy_by_all;
  }
  if (work.bound == Work::Bound::bfloat16) return p.bfloat16 * threads;
  // Levels above those that are measured differ in other instructions.
  const auto found = p.float32.find(isa);
  double best = 0;
  for (auto& [name, rate] : p.float32) best = std::max(best, rate);
  return (found == p.float32.end() ? best : found->second) * threads;
}

}  // namespace

Tensor normal(std::vector<int64_t> sizes, DType dtype) {
  return to_dtype(Call("randn(int[] size", {std::move(sizes)}).run(), dtype);
}

Tensor leaf(std::vector<int64_t> sizes) {
  Tensor t = normal(std::move(sizes));
  set_requires_grad(t, true);
  return t;
}

Call::Call(std::string_view schema, std::vector<Argument> arguments)
    : op_(0), arguments_(std::move(arguments)) {
  const auto& ops = all_ops();
  while (op_ < ops.size() && !std::string_view(ops[op_]->schema).starts_with(schema)) ++op_;
  if (op_ == ops.size()) throw std::invalid_argument("no operator " + std::string(schema));
  for (auto& a : arguments_) {
    if (auto* t = std::get_if<Tensor>(&a); t && t->requires_grad()) leaves_.push_back(*t);
    if (auto* ts = std::get_if<std::vector<Tensor>>(&a))
      for (auto& t : *ts)
        if (t.requires_grad()) leaves_.push_back(t);
  }
}

Tensor Call::invoke() const {
  const Op& op = *all_ops()[op_];
  Value values[16];
  for (size_t i = 0; i < op.params.size(); ++i) {
    const Value& otherwise = op.params[i].default_value;
    values[i] = i < arguments_.size() ? value_of(arguments_[i], otherwise) : otherwise;
  }
  Result result;
  op.invoke(values, result);
  return result.tensors.empty() ? std::move(result.tensor) : std::move(result.tensors[0]);
}

Tensor Call::run() const {
  const GradGuard off(false);
  return invoke();
}

void Call::run_backward() const {
  const Tensor y = invoke();
  if (!ones_.defined()) ones_ = ones(y.sizes(), y.dtype());
  BackwardRequest request;
  request.roots = {gradient_edge(y)};
  request.grads = {ones_};
  for (auto& t : leaves_) request.inputs.push_back(gradient_edge(t));
  request.accumulate = false;
  pycore::run_backward(request);
}

void add(const std::string& name, Work work, std::function<std::function<void()>()> make) {
  std::vector<int> counts = {1};
  if (const int all = static_cast<int>(std::thread::hardware_concurrency()); all > 1)
    counts.push_back(all);
  for (auto& isa : supported_isas())
    for (int threads : counts) {
      const auto body = [=](benchmark::State& state) {
        use_level(isa);
        set_num_threads(threads);
        const auto run = make();
        run();  // memory is there, weights are packed
        const double start = now();
        for (auto _ : state) {
          run();
          benchmark::ClobberMemory();
        }
        const double rate = work.amount * static_cast<double>(state.iterations()) / (now() - start);
        state.counters[in_bytes(work) ? "B/s" : "FLOP/s"] = rate;
        state.counters["share"] = rate / limit(work, isa, threads);
      };
      const std::string full = name + "/" + isa + "/threads:" + std::to_string(threads);
      benchmark::RegisterBenchmark(full.c_str(), body)->UseRealTime();
    }
}

void add_forward(const std::string& name, Work work, std::function<Call()> make) {
  add(name, work, [=]() -> std::function<void()> { return [call = make()] { call.run(); }; });
}

void add_backward(const std::string& name, Work work, double factor, std::function<Call()> make) {
  work.amount *= factor;
  add(name + ",backward", work,
      [=]() -> std::function<void()> { return [call = make()] { call.run_backward(); }; });
}

}  // namespace pycore::bench
