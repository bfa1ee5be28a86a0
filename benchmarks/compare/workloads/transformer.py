"""Attention and Transformers: the operator, one encoder layer, a training step of a small GPT."""

import warnings

from ..registry import Case, workload


def _attention(torch, inputs, shape, causal, train):
    q, k, v, g = (inputs.normal(*shape) for _ in range(4))
    attend = torch.nn.functional.scaled_dot_product_attention

    def forward():
        return attend(q, k, v, is_causal=causal)

    def backward():
        q.grad = k.grad = v.grad = None
        out = attend(q, k, v, is_causal=causal)
        out.backward(g)
        return [out, q.grad, k.grad, v.grad]

    if not train:
        return Case("forward()", {"forward": forward}, lambda: [forward()])
    for t in (q, k, v):
        t.requires_grad_()
    return Case("backward()", {"backward": backward}, backward)


for _shape in ((8, 4, 64, 32), (8, 8, 128, 32), (1, 8, 512, 64)):
    for _causal in (False, True):
        for _train in (False, True):
            _name = f"attention {'x'.join(map(str, _shape))}{', causal' if _causal else ''}"
            _name += ", forward and backward" if _train else ""

            @workload("attention", _name, limit=0.66)
            def attention(torch, inputs, shape=_shape, causal=_causal, train=_train):
                return _attention(torch, inputs, shape, causal, train)


def _layer(torch, inputs, dropout):
    layer = torch.nn.TransformerEncoderLayer(256, 8, dropout=dropout, batch_first=True)
    return inputs.fill(layer), inputs.normal(8, 128, 256)


@workload("attention", "encoder layer, eval", limit=1.0)
def encoder_eval(torch, inputs):
    layer, x = _layer(torch, inputs, 0.1)
    layer.eval()

    def forward():
        with torch.no_grad():
            return layer(x)

    return Case("forward()", {"forward": forward}, lambda: [forward()])


@workload("attention", "encoder layer, train forward", limit=1.0)
def encoder_forward(torch, inputs):
    layer, x = _layer(torch, inputs, 0.1)

    def check():
        torch.manual_seed(0)
        return [layer(x)]

    return Case("layer(x)", {"layer": layer, "x": x}, check)


@workload("attention", "encoder layer, train forward and backward", limit=1.0)
def encoder_train(torch, inputs):
    return _encoder_step(torch, inputs, 0.1)


@workload("attention", "encoder layer without dropout, forward and backward", limit=1.0)
def encoder_plain(torch, inputs):
    return _encoder_step(torch, inputs, 0.0)


def _encoder_step(torch, inputs, dropout):
    layer, x = _layer(torch, inputs, dropout)
    x.requires_grad_()
    g = inputs.normal(8, 128, 256)

    def step():
        layer.zero_grad()
        x.grad = None
        out = layer(x)
        out.backward(g)
        return out

    def check():
        # Gradients on this side of relu only: of two million numbers before it some lie within
        # rounding of its corner. tests/parity compares all.
        torch.manual_seed(0)
        out = step()
        return [out, *(p.grad for m in (layer.linear2, layer.norm2) for p in m.parameters())]

    return Case("step()", {"step": step}, check)


def _gpt(torch, vocabulary, width, layers, length, dropout):
    nn = torch.nn

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(vocabulary, width)
            self.positions = nn.Parameter(torch.zeros(length, width))
            layer = nn.TransformerEncoderLayer(
                width, 4, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.blocks = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width))
            self.head = nn.Linear(width, vocabulary, bias=False)
            self.mask = nn.Transformer.generate_square_subsequent_mask(length)

        def forward(self, tokens):
            x = self.tokens(tokens) + self.positions
            return self.head(self.blocks(x, mask=self.mask, is_causal=True))

    return Gpt()


def _gpt_step(torch, inputs, dropout):
    vocabulary, length, batch = 96, 64, 8
    model = inputs.fill(_gpt(torch, vocabulary, 128, 4, length, dropout))
    x, y = (inputs.integers(vocabulary, batch, length) for _ in range(2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    loss_of = torch.nn.functional.cross_entropy

    def step():
        optimizer.zero_grad()
        loss = loss_of(model(x).flatten(0, 1), y.flatten())
        loss.backward()
        optimizer.step()
        return loss

    def check():
        torch.manual_seed(0)
        return [step() for _ in range(3)]

    return Case("step()", {"step": step}, check)


@workload("attention", "GPT training step", limit=0.66)
def gpt(torch, inputs):
    return _gpt_step(torch, inputs, 0.0)


@workload("attention", "GPT training step, dropout", limit=0.66)
def gpt_dropout(torch, inputs):
    return _gpt_step(torch, inputs, 0.1)
