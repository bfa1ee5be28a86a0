"""Golden messages of common mistakes.

The exception type and the leading words are PyTorch's, since programs match on them.

The table was written down from PyTorch 2.13; it needs no torch to run.
"""

from __future__ import annotations

import builtins

import pytest

import pycore
from pycore import nn
from pycore.nn import functional as F

# (what is called, exception, leading words)
MISTAKES = [
    (
        "pycore.ones(2) + pycore.ones(3)",
        "RuntimeError",
        "The size of tensor a (2) must match the size",
    ),
    (
        "pycore.ones(2, 3) @ pycore.ones(2, 3)",
        "RuntimeError",
        "mat1 and mat2 shapes cannot be multiplied",
    ),
    ("pycore.mm(pycore.ones(2), pycore.ones(2, 2))", "RuntimeError", "self must be a matrix"),
    (
        "pycore.dot(pycore.ones(2), pycore.ones(3))",
        "RuntimeError",
        "inconsistent tensor size, expected tensor [2]",
    ),
    (
        "pycore.bmm(pycore.ones(2, 2, 3), pycore.ones(3, 3, 2))",
        "RuntimeError",
        "Expected size for first two dimensions of",
    ),
    (
        "pycore.ones(2, 3).view(4, 2)",
        "RuntimeError",
        "shape '[4, 2]' is invalid for input of size 6",
    ),
    ("pycore.ones(2, 3).t().view(6)", "RuntimeError", "view size is not compatible with input"),
    ("pycore.ones(2, 3).view(-1, -1)", "RuntimeError", "only one dimension can be inferred"),
    (
        "pycore.ones(2, 3).reshape(5, -1)",
        "RuntimeError",
        "shape '[5, -1]' is invalid for input of size",
    ),
    ("pycore.ones(2, 3).sum(2)", "IndexError", "Dimension out of range (expected to be in"),
    (
        "pycore.ones(2, 3).transpose(0, 2)",
        "IndexError",
        "Dimension out of range (expected to be in",
    ),
    (
        "pycore.ones(2, 3).permute(0, 0)",
        "RuntimeError",
        "permute(): duplicate dims are not allowed.",
    ),
    ("pycore.ones(2, 3).unsqueeze(4)", "IndexError", "Dimension out of range (expected to be in"),
    ("pycore.ones(2, 3).expand(3, 3)", "RuntimeError", "The expanded size of the tensor (3) must"),
    ("pycore.ones(2, 3)[2]", "IndexError", "index 2 is out of bounds for dimension 0 with"),
    ("pycore.ones(2, 3)[0, 3]", "IndexError", "index 3 is out of bounds for dimension 1 with"),
    ("pycore.ones(2, 3)[0, 0, 0]", "IndexError", "too many indices for tensor of dimension 2"),
    ("pycore.tensor(1.0)[0]", "IndexError", "invalid index of a 0-dim tensor. Use"),
    (
        "pycore.ones(2, 3).select(0, 5)",
        "IndexError",
        "select(): index 5 out of range for tensor of",
    ),
    (
        "pycore.ones(2, 3).narrow(1, 2, 2)",
        "RuntimeError",
        "start (2) + length (2) exceeds dimension size",
    ),
    ("pycore.cat([])", "ValueError", "torch.cat(): expected a non-empty list of"),
    (
        "pycore.cat([pycore.ones(2, 3), pycore.ones(2)])",
        "RuntimeError",
        "Tensors must have same number of dimensions:",
    ),
    (
        "pycore.cat([pycore.ones(2, 3), pycore.ones(3, 2)])",
        "RuntimeError",
        "Sizes of tensors must match except in",
    ),
    (
        "pycore.stack([pycore.ones(2), pycore.ones(3)])",
        "RuntimeError",
        "stack expects each tensor to be equal size,",
    ),
    ("pycore.ones(2, 3).item()", "RuntimeError", "a Tensor with 6 elements cannot be converted"),
    ("bool(pycore.ones(2))", "RuntimeError", "Boolean value of Tensor with more than one"),
    ("pycore.tensor([1, [2, 3]])", "TypeError", "'list' object cannot be interpreted as an"),
    ('pycore.tensor(["a"])', "ValueError", "too many dimensions 'str'"),
    ("pycore.zeros(-1)", "RuntimeError", "zeros: Dimension size must be non-negative."),
    ('pycore.ones(2).add("x")', "TypeError", "add(): argument 'other'"),
    (
        "pycore.add(pycore.ones(2), pycore.ones(2), nonsense=1)",
        "TypeError",
        "add() got an unexpected keyword argument",
    ),
    (
        "pycore.ones(2, dtype=pycore.int64, requires_grad=True)",
        "RuntimeError",
        "Only Tensors of floating point and complex",
    ),
    (
        "pycore.ones(2, requires_grad=True).numpy()",
        "RuntimeError",
        "Can't call numpy() on Tensor that requires",
    ),
    (
        "pycore.ones(2, requires_grad=True).add_(1)",
        "RuntimeError",
        "a leaf Variable that requires grad is being",
    ),
    ("pycore.ones(2).backward()", "RuntimeError", "element 0 of tensors does not require grad"),
    (
        "pycore.ones(2, requires_grad=True).mul(2).backward()",
        "RuntimeError",
        "grad can be implicitly created only for",
    ),
    (
        "pycore.ones(2, dtype=pycore.int64).add_(0.5)",
        "RuntimeError",
        "result type Float can't be cast to the",
    ),
    (
        "pycore.ones(2) & pycore.ones(2)",
        "NotImplementedError",
        "\"bitwise_and_cpu\" not implemented for 'Float'",
    ),
    (
        "pycore.ones(2, dtype=pycore.bool) - pycore.ones(2, dtype=pycore.bool)",
        "RuntimeError",
        "Subtraction, the `-` operator, with two bool",
    ),
    (
        "pycore.ones(2, dtype=pycore.int64) ** -1",
        "RuntimeError",
        "Integers to negative integer powers are not",
    ),
    (
        "pycore.arange(3, dtype=pycore.int64).mean()",
        "RuntimeError",
        "mean(): could not infer output dtype. Input",
    ),
    ("pycore.ones(2, 3).softmax(5)", "IndexError", "Dimension out of range (expected to be in"),
    ("pycore.ones(2, 3).repeat(2)", "RuntimeError", "Number of dimensions of repeat dims can not"),
    ("pycore.ones(2, 3).flip(0, 0)", "RuntimeError", "dim 0 appears multiple times in the list of"),
    (
        "pycore.ones(2, 3).roll((1, 2), 0)",
        "RuntimeError",
        "shifts and dimensions must align. shifts: 2,",
    ),
    ("pycore.ones(2, 3).chunk(0)", "RuntimeError", "chunk expects `chunks` to be greater than 0,"),
    ("pycore.ones(2, 3).split(0)", "RuntimeError", "split_size can only be 0 if dimension size is"),
    (
        "pycore.ones(2, 3).split([1, 2])",
        "RuntimeError",
        "split_with_sizes expects split_sizes to sum",
    ),
    ("pycore.tril(pycore.ones(3))", "RuntimeError", "tril: input tensor must have at least 2"),
    ("pycore.ones(3).trace()", "RuntimeError", "trace: expected a matrix, but got tensor with"),
    (
        "pycore.diag(pycore.ones(2, 2, 2))",
        "RuntimeError",
        "diag(): Supports 1D or 2D tensors. Got 3D",
    ),
    (
        'pycore.einsum("ij,jk", pycore.ones(2, 3), pycore.ones(2, 3))',
        "RuntimeError",
        "einsum(): subscript j has size 2 for operand",
    ),
    ("pycore.eye(-1)", "RuntimeError", "n must be greater or equal to 0, got -1"),
    ("pycore.arange(0, 5, -1)", "RuntimeError", "upper bound and lower bound inconsistent with"),
    ("pycore.linspace(0, 1, -1)", "RuntimeError", "number of steps must be non-negative"),
    (
        "pycore.ones(2, 3).gather(1, pycore.tensor([[5]]))",
        "RuntimeError",
        "index 5 is out of bounds for dimension 1 with",
    ),
    (
        "pycore.ones(2, 3).index_select(0, pycore.tensor([7]))",
        "IndexError",
        "index out of range in self",
    ),
    ("pycore.ones(2, 3).topk(9)", "RuntimeError", "selected index k out of range"),
    ("pycore.empty(0).max()", "RuntimeError", "max(): Expected reduction dim to be specified"),
    ("pycore.empty(0).argmax()", "IndexError", "argmax(): Expected reduction dim to be"),
    ("F.pad(pycore.ones(2, 3), (1,))", "RuntimeError", "Padding length must be divisible by 2"),
    (
        'F.pad(pycore.ones(1, 2, 3), (3, 0), mode="reflect")',
        "RuntimeError",
        "Argument #4: Padding size should be less than",
    ),
    (
        'F.pad(pycore.ones(2, 3), (1, 1), mode="zz")',
        "NotImplementedError",
        "Unrecognised padding mode zz",
    ),
    (
        "F.linear(pycore.ones(2, 3), pycore.ones(4, 5))",
        "RuntimeError",
        "mat1 and mat2 shapes cannot be multiplied",
    ),
    (
        "F.conv2d(pycore.ones(1, 3, 4, 4), pycore.ones(2, 1, 3, 3))",
        "RuntimeError",
        "Given groups=1, weight of size [2, 1, 3, 3],",
    ),
    (
        "F.conv2d(pycore.ones(1, 1, 2, 2), pycore.ones(1, 1, 3, 3))",
        "RuntimeError",
        "Calculated padded input size per channel: (2",
    ),
    (
        "F.max_pool2d(pycore.ones(1, 1, 2, 2), 3)",
        "RuntimeError",
        "Given input size: (1x2x2). Calculated output",
    ),
    (
        "F.cross_entropy(pycore.ones(2, 3), pycore.tensor([0, 5]))",
        "IndexError",
        "Target 5 is out of bounds.",
    ),
    (
        "F.nll_loss(pycore.ones(2, 3), pycore.tensor([0]))",
        "ValueError",
        "Expected input batch_size (2) to match target",
    ),
    ("F.dropout(pycore.ones(2), 1.5)", "ValueError", "dropout probability has to be between 0 and"),
    (
        "F.embedding(pycore.tensor([5]), pycore.ones(3, 2))",
        "IndexError",
        "index out of range in self",
    ),
    ("F.one_hot(pycore.tensor([3]), 2)", "RuntimeError", "Class values must be smaller than"),
    ('pycore.ones(2).to("cuda:x")', "RuntimeError", "Invalid device string: 'cuda:x'"),
    (
        "pycore.ones(2, 3).masked_fill(pycore.ones(2, 3), 0)",
        "RuntimeError",
        "masked_fill_ only supports boolean masks, but",
    ),
    (
        "pycore.where(pycore.ones(2), 1.0, 0.0)",
        "RuntimeError",
        "where expected condition to be a boolean",
    ),
    (
        'pycore.meshgrid(pycore.ones(2, 2), indexing="ij")',
        "RuntimeError",
        "torch.meshgrid: Expected 0D or 1D tensor in",
    ),
    (
        "pycore.isclose(pycore.ones(2), pycore.ones(2).double())",
        "RuntimeError",
        "Float did not match Double",
    ),
    (
        "pycore.lerp(pycore.ones(2), pycore.ones(2).double(), 0.5)",
        "RuntimeError",
        "expected dtype float for `end` but got dtype",
    ),
    ("pycore.ones(2).expand(3)", "RuntimeError", "The expanded size of the tensor (3) must"),
    ("pycore.ones(2, 3).squeeze(4)", "IndexError", "Dimension out of range (expected to be in"),
    (
        "pycore.multinomial(pycore.ones(3), 5)",
        "RuntimeError",
        "cannot sample n_sample > prob_dist.size(-1)",
    ),
    ('pycore.manual_seed("x")', "ValueError", "invalid literal for int() with base 10: 'x'"),
    ("pycore.randint(5, 5, (2,))", "RuntimeError", "random_ expects 'from' to be less than 'to',"),
    (
        "pycore.normal(0.0, -1.0, (2,))",
        "RuntimeError",
        "normal expects std >= 0.0, but found std -1",
    ),
    (
        "nn.Linear(2, 3)(pycore.ones(2, 4))",
        "RuntimeError",
        "mat1 and mat2 shapes cannot be multiplied",
    ),
    (
        "nn.Linear(2, 3).load_state_dict({})",
        "RuntimeError",
        "Error(s) in loading state_dict for Linear:",
    ),
    ("nn.Module()(1)", "NotImplementedError", "Module [Module] is missing the required"),
    ("len(pycore.tensor(1.0))", "TypeError", "len() of a 0-d tensor"),
    ("list(pycore.tensor(1.0))", "TypeError", "iteration over a 0-d tensor"),
    (
        "pycore.ones(3, 3).repeat_interleave(pycore.tensor([1, 2]), 0)",
        "RuntimeError",
        "repeats must have the same size as input",
    ),
]


@pytest.mark.parametrize(("call", "kind", "words"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_message(call, kind, words):
    with pytest.raises(getattr(builtins, kind)) as caught:
        eval(call, {"pycore": pycore, "nn": nn, "F": F})
    message = str(caught.value)
    assert message.startswith(words), message


def test_messages_say_what_came():
    """Beyond PyTorch's words: the operator's name, shapes and what was expected."""
    with pytest.raises(TypeError) as caught:
        pycore.cat(pycore.ones(2), 0)
    assert "tensors" in str(caught.value) and "Tensor" in str(caught.value)
    with pytest.raises(RuntimeError) as caught:
        pycore.ones(2).copy_(pycore.ones(3))
    assert "[3]" in str(caught.value) and "[2]" in str(caught.value)
