"""Gradients find what speaks for the class at one anchor, on a network made by hand."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lucency.detection.gradient_map import gradient_map  # noqa: E402


class Head(torch.nn.Module):
    """Two anchors; each class's log-odds are sums over one quadrant of the one level it reads."""

    def forward(self, levels: list) -> tuple:
        left, right = levels[0][..., :4].sum(), levels[0][..., 4:].sum()
        log_odds = torch.stack([torch.stack([left, right]), torch.stack([right, -left])])
        boxes = torch.full((4, 2), 8.0)
        return torch.cat([boxes, log_odds.sigmoid()])[None], levels


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        pool = torch.nn.AvgPool2d(4)
        self.model = torch.nn.Sequential(pool, Head())

    def forward(self, batch):
        return self.model[1]([self.model[0](batch) * 0.1])


def batch() -> np.ndarray:
    return np.full((1, 3, 32, 32), 0.1, dtype=np.float32)


@pytest.mark.parametrize(
    ("anchor", "class_id", "left_share"),
    [(0, 0, 1.0), (1, 0, 0.0), (0, 1, 0.0)],
    ids=["left", "other anchor", "other class"],
)
def test_the_heat_is_that_of_the_anchor_and_class(
    anchor: int, class_id: int, left_share: float
) -> None:
    heat = gradient_map(Network(), batch(), anchor=anchor, class_id=class_id)
    assert heat.shape == (32, 32) and float(heat.sum()) == pytest.approx(1.0, abs=1e-4)
    # Enlarging the level mixes the two halves for half a cell.
    assert float(heat[:, :16].sum()) == pytest.approx(left_share, abs=0.08)


def test_what_speaks_against_is_no_heat() -> None:
    assert not gradient_map(Network(), batch(), anchor=1, class_id=1).any()


def test_the_network_is_left_as_it_was() -> None:
    network = Network()
    gradient_map(network, batch(), anchor=0, class_id=0)
    assert not network.model[-1]._forward_pre_hooks
