"""Which parts of an image speak for a detection, by gradients of the torch network.

For each level of the neck that the head reads, activations times their gradients are summed over
the channels and kept where positive (Draelos and Carin, HiResCAM, arXiv 2011.08891; unlike
Grad-CAM, Selvaraju et al., ICCV 2017, gradients are not averaged over the image, which would smear
one box's reasons over all that look alike). What is differentiated is the log-odds of the class at
the very anchor that made the box. The levels' maps are added.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def gradient_map(
    network: Any, batch: NDArray[np.float32], *, anchor: int, class_id: int
) -> NDArray[np.float32]:
    """The map of one detection.

    Parameters
    ----------
    network
        Ultralytics' torch module, its weights in single precision.
    batch
        (1, 3, h, w), as `letterbox` makes it.
    anchor, class_id
        Column of the raw head (1, 4 + C, N), and the class.

    Returns
    -------
    NDArray
        (h, w), 0 or more, its sum 1 unless it is 0 everywhere.

    """
    import torch

    read: list[Any] = []

    def remember(module: Any, inputs: tuple[Any, ...]) -> None:
        # YOLO26 reads the levels a second time, cut off from the gradient, within one call.
        read.extend(inputs[0])

    network.eval()
    hook = network.model[-1].register_forward_pre_hook(remember)
    try:
        with torch.enable_grad():
            output = network(torch.from_numpy(batch).requires_grad_())
            head = output[0] if isinstance(output, tuple) else output
            log_odds = torch.logit(head[0, 4 + class_id, anchor], eps=1e-6)
            gradients = torch.autograd.grad(log_odds, read, allow_unused=True)
    finally:
        hook.remove()
    height, width = batch.shape[2:]
    total = np.zeros((height, width), dtype=np.float32)
    for level, gradient in zip(read, gradients, strict=True):
        if gradient is None:
            continue
        speaks = (level * gradient).sum(dim=1).clamp(min=0)[0].detach().numpy()
        total += cv2.resize(speaks, (width, height), interpolation=cv2.INTER_LINEAR)
    whole = float(total.sum())
    return total / np.float32(whole) if whole > 0 else total
