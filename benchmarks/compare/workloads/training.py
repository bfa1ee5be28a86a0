"""Whole training steps: forward, loss, backward, optimizer."""

from ..registry import Case, workload


def _step(torch, model, x, y):
    """A case that trains on one batch; outputs are the loss and the parameters after some steps."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    loss_of = torch.nn.functional.cross_entropy

    def step():
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    def check():
        losses = [step() for _ in range(3)]
        return [*losses, *model.parameters()]

    return Case("step()", {"step": step}, check)


@workload("training", "TinyModel, batch 64", limit=0.5)
def tiny_model(torch, inputs):
    nn = torch.nn
    model = nn.Sequential(nn.Linear(100, 200), nn.ReLU(), nn.Linear(200, 10), nn.Softmax(dim=1))
    return _step(torch, inputs.fill(model), inputs.normal(64, 100), inputs.integers(10, 64))


def _lenet(torch):
    nn, functional = torch.nn, torch.nn.functional

    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 3)
            self.fc1, self.fc2, self.fc3 = (
                nn.Linear(576, 120),
                nn.Linear(120, 84),
                nn.Linear(84, 10),
            )

        def forward(self, x):
            x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
            x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
            x = functional.relu(self.fc1(x.flatten(1)))
            return self.fc3(functional.relu(self.fc2(x)))

    return LeNet()


@workload("training", "LeNet, batch 1", limit=0.5)
def lenet_1(torch, inputs):
    model = inputs.fill(_lenet(torch))
    return _step(torch, model, inputs.normal(1, 1, 32, 32), inputs.integers(10, 1))


@workload("training", "LeNet, batch 64", limit=1.0)
def lenet_64(torch, inputs):
    model = inputs.fill(_lenet(torch))
    return _step(torch, model, inputs.normal(64, 1, 32, 32), inputs.integers(10, 64))
