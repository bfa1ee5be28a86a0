"""The whole models of the workloads, written once for every library with PyTorch's API."""

from __future__ import annotations

from typing import Any


def tiny_model(torch: Any) -> Any:
    """The two layers of PyTorch's introduction to modules."""
    nn = torch.nn
    return nn.Sequential(nn.Linear(100, 200), nn.ReLU(), nn.Linear(200, 10), nn.Softmax(dim=1))


def lenet(torch: Any) -> Any:
    """LeCun et al. 1998, as in PyTorch's tutorial, for 1x32x32 images."""
    nn, functional = torch.nn, torch.nn.functional

    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 3)
            self.fc1, self.fc2 = nn.Linear(576, 120), nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, 10)

        def forward(self, x):
            x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
            x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
            x = functional.relu(self.fc1(x.flatten(1)))
            return self.fc3(functional.relu(self.fc2(x)))

    return LeNet()


def lstm_tagger(torch: Any) -> Any:
    """Words to tags, as in PyTorch's tutorial on sequence models."""
    nn = torch.nn

    class LSTMTagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.word_embeddings = nn.Embedding(1000, 32)
            self.lstm = nn.LSTM(32, 32)
            self.hidden2tag = nn.Linear(32, 12)

        def forward(self, sentence):
            embeds = self.word_embeddings(sentence)
            lstm_out, _ = self.lstm(embeds.view(len(sentence), 1, -1))
            return self.hidden2tag(lstm_out.view(len(sentence), -1))

    return LSTMTagger()


def mlp(torch: Any) -> Any:
    """The three layers of PyTorch's quick start, for 28x28 images as rows."""
    nn = torch.nn
    return nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )


def resnet18(torch: Any) -> Any:
    """He et al. 2015, with 1000 classes."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, width_in, width, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.downsample = None
            if stride != 1 or width_in != width:
                self.downsample = nn.Sequential(
                    nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width)
                )

        def forward(self, x):
            out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            out += x if self.downsample is None else self.downsample(x)
            return self.relu(out)

    def stage(width_in, width, stride):
        return nn.Sequential(Block(width_in, width, stride), Block(width, width, 1))

    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
        stage(64, 64, 1),
        stage(64, 128, 2),
        stage(128, 256, 2),
        stage(256, 512, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(512, 1000),
    )


def _block(torch: Any, width: int, heads: int, causal: bool) -> Any:
    """A Transformer block with the norms before its two halves."""
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            batch, length, _ = x.shape
            q, k, v = (
                part.view(batch, length, heads, width // heads).transpose(1, 2)
                for part in self.qkv(self.norm1(x)).chunk(3, dim=-1)
            )
            seen = functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
            x = x + self.out(seen.transpose(1, 2).reshape(batch, length, width))
            return x + self.down(functional.gelu(self.up(self.norm2(x))))

    return Block()


def small_gpt(torch: Any) -> Any:
    """Four causal layers of width 256 over 128 tokens of a vocabulary of 512."""
    nn = torch.nn

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.positions = nn.Embedding(512, 256), nn.Embedding(128, 256)
            self.blocks = nn.Sequential(*(_block(torch, 256, 4, True) for _ in range(4)))
            self.norm = nn.LayerNorm(256)
            self.head = nn.Linear(256, 512, bias=False)

        def forward(self, tokens):
            x = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
            return self.head(self.norm(self.blocks(x)))

    return Gpt()


def small_vit(torch: Any) -> Any:
    """Six layers of width 192 over the 4x4 patches of 32x32 images (Dosovitskiy et al. 2020)."""
    nn = torch.nn

    class VisionTransformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, 192, 4, 4)
            self.first = nn.Parameter(torch.zeros(1, 1, 192))
            self.positions = nn.Parameter(torch.zeros(1, 65, 192))
            self.blocks = nn.Sequential(*(_block(torch, 192, 3, False) for _ in range(6)))
            self.norm = nn.LayerNorm(192)
            self.head = nn.Linear(192, 10)

        def forward(self, images):
            x = self.patches(images).flatten(2).transpose(1, 2)
            x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], dim=1) + self.positions
            return self.head(self.norm(self.blocks(x))[:, 0])

    return VisionTransformer()
