"""Writes pycore/_C.pyi, the types of the extension module, from the schemas of its operators.

python .ci/stubs.py           writes the file
python .ci/stubs.py --check   fails if the file is not what would be written
python .ci/stubs.py --print   prints it
"""

from __future__ import annotations

import inspect
import keyword
import re
import sys
import types
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pycore
from pycore import _C

TARGET = Path(__file__).resolve().parent.parent / "pycore" / "_C.pyi"

HEADER = """\
# Types of the extension module. Written by .ci/stubs.py from the operators' schemas; do not edit.
import builtins
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Self, SupportsIndex, overload

# The names of builtins are used up by dtypes and methods below.
_int = builtins.int
_float = builtins.float
_bool = builtins.bool
_str = builtins.str
_Number = builtins.int | builtins.float | builtins.bool
_Index = Any

class dtype:
    is_floating_point: builtins.bool
    is_complex: builtins.bool
    is_signed: builtins.bool
    itemsize: builtins.int

class device:
    type: builtins.str
    index: builtins.int | None
    def __init__(self, type: builtins.str | device, index: builtins.int | None = None) -> None: ...

_dtype = dtype
_device = device
_Device = device | builtins.str | builtins.int | None

class Size(tuple[builtins.int, ...]):
    def numel(self) -> builtins.int: ...

class Generator:
    device: _device
    def __init__(self, device: _Device = None) -> None: ...
    def manual_seed(self, seed: builtins.int) -> Generator: ...
    def seed(self) -> builtins.int: ...
    def initial_seed(self) -> builtins.int: ...
    def get_state(self) -> Tensor: ...
    def set_state(self, new_state: Tensor) -> Generator: ...

default_generator: Generator
"""

# What the C type has beside operators.
TENSOR_HEAD = """\
class Tensor:
    requires_grad: _bool
    grad: Tensor | None
    data: Tensor
    names: Any
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    @property
    def shape(self) -> Size: ...
    @property
    def dtype(self) -> _dtype: ...
    @property
    def device(self) -> _device: ...
    @property
    def grad_fn(self) -> Any: ...
    def __getitem__(self, index: _Index) -> Tensor: ...
    def __setitem__(self, index: _Index, value: Tensor | _Number) -> None: ...
    def __len__(self) -> _int: ...
    def __iter__(self) -> Iterator[Tensor]: ...
    def __bool__(self) -> _bool: ...
    def __int__(self) -> _int: ...
    def __float__(self) -> _float: ...
    def __index__(self) -> _int: ...
    def __hash__(self) -> _int: ...
    def item(self) -> Any: ...
    def tolist(self) -> Any: ...
    @overload
    def size(self, dim: None = None) -> Size: ...
    @overload
    def size(self, dim: SupportsIndex) -> _int: ...
    @overload
    def stride(self, dim: None = None) -> tuple[_int, ...]: ...
    @overload
    def stride(self, dim: SupportsIndex) -> _int: ...
    def dim(self) -> _int: ...
    def ndimension(self) -> _int: ...
    def numel(self) -> _int: ...
    def nelement(self) -> _int: ...
    def element_size(self) -> _int: ...
    def storage_offset(self) -> _int: ...
    def data_ptr(self) -> _int: ...
    def get_device(self) -> _int: ...
    def is_contiguous(self, memory_format: Any = None) -> _bool: ...
    def is_floating_point(self) -> _bool: ...
    def is_complex(self) -> _bool: ...
    def is_signed(self) -> _bool: ...
    def is_inference(self) -> _bool: ...
    def requires_grad_(self, requires_grad: _bool = True) -> Self: ...
    def retain_grad(self) -> None: ...
    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: _bool | None = None,
        create_graph: _bool = False,
        inputs: Sequence[Tensor] | Tensor | None = None,
    ) -> None: ...
"""
_OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"]
_OPERATORS += ["and", "or", "xor", "lshift", "rshift"]
_COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"]

FUNCTIONS = """\
def tensor(
    data: Any, *, dtype: _dtype | None = None, device: _Device = None, requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor: ...
def from_numpy(ndarray: Any) -> Tensor: ...
def get_default_dtype() -> _dtype: ...
def set_default_dtype(d: _dtype) -> None: ...
def get_num_threads() -> _int: ...
def set_num_threads(num_threads: _int) -> None: ...
def is_grad_enabled() -> _bool: ...
def is_inference_mode_enabled() -> _bool: ...
def is_anomaly_enabled() -> _bool: ...
def result_type(tensor1: Tensor | _Number, tensor2: Tensor | _Number) -> _dtype: ...
def promote_types(type1: _dtype, type2: _dtype) -> _dtype: ...
def can_cast(from_: _dtype, to: _dtype) -> _bool: ...
def _isa() -> _str: ...
def _supported_isas() -> list[_str]: ...
def _matmul_precision() -> _int: ...
def _set_matmul_precision(level: _int) -> None: ...
def _ops() -> list[dict[_str, Any]]: ...
def _memory_stats() -> dict[_str, _int]: ...
def _empty_cache() -> None: ...
def _explain_start() -> _int: ...
def _explain_stop(mark: _int) -> list[tuple[_str, _int, list[_str], list[_str], _int, _int, _float]]: ...
def _reset_peak_memory_stats() -> None: ...
"""

BASE_TYPES = {
    "Tensor": "Tensor",
    "Scalar": "_Number",
    "Tensor|Scalar": "Tensor | _Number",
    "int": "_int",
    "float": "_float",
    "bool": "_bool",
    "str": "_str",
    "dtype": "_dtype",
    "device": "_Device",
    "layout": "Any",
    "memory_format": "Any",
    "Generator": "Generator",
    "int[]": "Sequence[_int]",
    "Tensor[]": "Sequence[Tensor]",
}


@dataclass
class Parameter:
    name: str
    type: str
    default: str | None
    keyword_only: bool


@dataclass
class Signature:
    name: str
    parameters: list[Parameter]
    returns: str


def python_type(schema_type: str) -> str:
    optional = schema_type.endswith("?")
    kind = schema_type.removesuffix("?")
    result = BASE_TYPES.get(kind)
    if result is None:
        base = re.fullmatch(r"(\w+)\[\d+\]", kind)
        if base is None:
            result = "Any"
        else:
            result = f"{BASE_TYPES[base[1]]} | Sequence[{BASE_TYPES[base[1]]}]"
    if optional and "None" not in result and result not in ("Any", "_Device"):
        result += " | None"
    return result


def split_arguments(text: str) -> list[str]:
    """At commas outside of brackets and quotes."""
    parts, depth, quoted = [""], 0, False
    for c in text:
        quoted ^= c == "'"
        depth += (c in "([") - (c in ")]") if not quoted else 0
        if c == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts if p.strip()]


_named_results: dict[str, str] = {}


def return_type(text: str) -> str:
    text = text.strip()
    if text in ("()", "None", "void"):
        return "None"
    if not text.startswith("("):
        return {"Tensor[]": "tuple[Tensor, ...]"}.get(text, python_type(text))
    fields = [f.split() for f in split_arguments(text[1:-1])]
    if all(len(f) == 2 for f in fields):
        name = "_" + "".join(f[1].capitalize() for f in fields)
        body = "".join(f"    {f[1]}: {python_type(f[0])}\n" for f in fields)
        _named_results[name] = f"class {name}(NamedTuple):\n{body}"
        return name
    return f"tuple[{', '.join(python_type(f[0]) for f in fields)}]"


def parse(schema: str) -> Signature:
    """A schema in PyTorch's syntax: name(type name=default, *, ...) -> type."""
    head, _, result = schema.rpartition("->")
    name, _, arguments = head.strip().partition("(")
    parameters, keyword_only = [], False
    for argument in split_arguments(arguments.strip().removesuffix(")")):
        if argument == "*":
            keyword_only = True
            continue
        declared, _, default = argument.partition("=")
        kind, parameter = declared.split()
        parameter += "_" if keyword.iskeyword(parameter) else ""
        parameters.append(Parameter(parameter, python_type(kind), default or None, keyword_only))
    return Signature(name.split(".")[-1], parameters, return_type(result))


def default_text(text: str) -> str:
    return text if re.fullmatch(r"None|True|False|-?\d+(\.\d+)?(e-?\d+)?|'[^']*'", text) else "..."


def render(name: str, parameters: list[Parameter], returns: str, first: str = "") -> str:
    parts = [first] if first else []
    star = False
    for p in parameters:
        if p.keyword_only and not star:
            parts.append("*")
            star = True
        parts.append(
            p.name + ": " + p.type + (f" = {default_text(p.default)}" if p.default else "")
        )
    return f"def {name}({', '.join(parts)}) -> {returns}: ..."


def variants(op: dict, signature: Signature, method: bool) -> list[str]:
    """The ways to call one operator as a function or a method, without the in-place form."""
    parameters = signature.parameters[1:] if method else list(signature.parameters)
    first = "self" if method else ""
    if op["out"]:
        results = "Tensor | None"
        if signature.returns not in ("Tensor", "None"):
            results = "tuple[Tensor, ...] | None"
        parameters = [*parameters, Parameter("out", results, "None", True)]
        if method:
            parameters.pop()
    lines = [render(signature.name, parameters, signature.returns, first)]
    positional = [p for p in parameters if not p.keyword_only]
    if len(positional) == 1 and positional[0].type == "Sequence[_int]":
        # Sizes and dimensions may be given one by one.
        rest = [p for p in parameters if p.keyword_only]
        star = f"*{positional[0].name}: _int"
        lines.append(
            render(signature.name, [], signature.returns, ", ".join(filter(None, [first, star])))
        )
        if rest:
            inner = ", ".join(
                f"{p.name}: {p.type} = {default_text(p.default or '...')}" for p in rest
            )
            lines[-1] = lines[-1].replace(star, f"{star}, {inner}")
    return lines


def inplace(signature: Signature, method: bool) -> str:
    parameters = signature.parameters[1:] if method else signature.parameters
    returns = "Self" if method else "Tensor"
    return render(signature.name + "_", parameters, returns, "self" if method else "")


def emit(groups: dict[str, list[str]], indent: str, decorator: str = "") -> str:
    out = []
    for name in sorted(groups):
        lines = list(dict.fromkeys(groups[name]))
        for line in lines:
            if len(lines) > 1:
                out.append(f"{indent}@overload\n")
            if decorator:
                out.append(f"{indent}{decorator}\n")
            out.append(f"{indent}{line}\n")
    return "".join(out)


def python_methods(taken: set[str]) -> str:
    """Methods that pycore/_tensor.py adds."""
    out = []
    for name, value in sorted(vars(_C.Tensor).items()):
        if name in taken or name.startswith("__"):
            continue
        if isinstance(value, types.FunctionType):
            parts = []
            star = False
            for i, p in enumerate(inspect.signature(value).parameters.values()):
                text = "self" if i == 0 else f"{p.name}: Any"
                if p.kind is p.VAR_POSITIONAL:
                    text, star = "*" + text, True
                elif p.kind is p.VAR_KEYWORD:
                    text = "**" + text
                elif p.kind is p.KEYWORD_ONLY and not star:
                    parts.append("*")
                    star = True
                if i and p.default is not p.empty:
                    text += " = ..."
                parts.append(text)
            annotation = str(value.__annotations__.get("return", "Any"))
            known = {
                "Tensor": "Tensor",
                "None": "None",
                "bool": "_bool",
                "int": "_int",
                "str": "_str",
            }
            out.append(
                f"    def {name}({', '.join(parts)}) -> {known.get(annotation, 'Any')}: ...\n"
            )
        elif isinstance(value, property | types.GetSetDescriptorType) and not name.startswith("_"):
            kinds = {"is_": "_bool", "nd": "_int", "nb": "_int", "it": "_int", "output_nr": "_int"}
            kind = next((t for p, t in kinds.items() if name.startswith(p)), None)
            kind = kind or ("Tensor" if name in ("T", "H", "mT", "mH", "real", "imag") else "Any")
            out.append(f"    @property\n    def {name}(self) -> {kind}: ...\n")
    return "".join(out)


def generate() -> str:
    functions: dict[str, list[str]] = defaultdict(list)
    methods: dict[str, list[str]] = defaultdict(list)
    spaces: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for op in _C._ops():
        signature = parse(op["schema"])
        if op["function"]:
            place = spaces[op["space"]] if op["space"] else functions
            place[signature.name] += variants(op, signature, False)
            if op["inplace"]:
                place[signature.name + "_"].append(inplace(signature, False))
        if signature.name.startswith("__"):
            continue  # among the special methods below
        if op["method"]:
            methods[signature.name] += variants(op, signature, True)
        if op["inplace"]:
            methods[signature.name + "_"].append(inplace(signature, True))

    operand = "Tensor | _Number"
    special = ""
    for name in _OPERATORS:
        for form in (name, "r" + name, "i" + name):
            returns = "Self" if form[0] == "i" and form != name else "Tensor"
            special += f"    def __{form}__(self, other: {operand}) -> {returns}: ...\n"
    for name in _COMPARISONS:
        ignore = "  # type: ignore[override]" if name in ("eq", "ne") else ""
        special += f"    def __{name}__(self, other: {operand}) -> Tensor: ...{ignore}\n"
    for name in ("neg", "pos", "abs", "invert"):
        special += f"    def __{name}__(self) -> Tensor: ...\n"
    head_names = set(re.findall(r"^    (?:def )?(\w+)[:(]", TENSOR_HEAD, re.MULTILINE))
    for name in head_names:
        methods.pop(name, None)

    written = set(re.findall(r"^def (\w+)", FUNCTIONS, re.MULTILINE))
    for name in written:
        functions.pop(name, None)
    dtypes = sorted(n for n in dir(_C) if isinstance(getattr(_C, n), _C.dtype))

    text = HEADER
    body = TENSOR_HEAD + special + emit(methods, "    ")
    body += python_methods(head_names | set(methods))
    text += "".join("\n" + c for c in _named_results.values())
    text += "\n" + body + "\n"
    text += "".join(f"{name}: _dtype\n" for name in dtypes)
    text += "\n" + FUNCTIONS + emit(functions, "")
    for space in sorted(spaces):
        text += f"\nclass _{space}:\n" + emit(spaces[space], "    ", "@staticmethod")
    text += "\ndef __getattr__(name: _str) -> Any: ...\n"
    return text


def main() -> int:
    text = generate()
    if "--print" in sys.argv:
        print(text, end="")
        return 0
    if "--check" in sys.argv:
        if TARGET.exists() and TARGET.read_text() == text:
            return 0
        print(f"{TARGET} is not current: run python .ci/stubs.py (pycore is {pycore.__file__})")
        return 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
