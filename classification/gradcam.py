"""Class activation maps of a network in PyTorch, by the library grad-cam."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from lucency.classification.export import read_network
from lucency.classification.heat_map import DEFAULT_METHOD, ClassExplanation, class_index
from lucency.classification.networks import StagedNetwork, probabilities_of
from lucency.classification.run_folder import read_run_config
from lucency.datasets.display import display
from lucency.datasets.model_input import model_input
from lucency.datasets.radiographs import Radiograph
from lucency.evaluation.heat import stored_heat

_CAMS = {"gradcam": GradCAM, "gradcam++": GradCAMPlusPlus}


def class_map(
    network: StagedNetwork, inputs: NDArray[np.float32], index: int, *, method: str
) -> NDArray[np.float32]:
    """The map (h, w), not negative, of the logit of class ``index`` on the attended feature map.

    ``inputs`` (channels, size, size) as `model_input` makes it; ``method`` is a key of
    `lucency.classification.class_map.METHODS`. The network goes into evaluation mode.

    Notes
    -----
    The library's own result is stretched from its least to its greatest value, which would count
    heat that lies evenly over the whole image as none; here the map before that is taken.

    """
    # So gradients flow through a network whose own parameters are frozen, too.
    batch = torch.from_numpy(inputs)[None].requires_grad_()
    targets = [ClassifierOutputTarget(index)]
    layer = network.attention
    with _CAMS[method](network.eval(), [layer]) as cam:
        cam(batch, targets)
        seen = cam.activations_and_grads
        maps, gradients = seen.activations[0].numpy(), seen.gradients[0].numpy()
        found = cam.get_cam_image(batch, layer, targets, maps, gradients)
    return np.asarray(np.maximum(found[0], 0), dtype=np.float32)


def explain_run(
    run_dir: Path, radiograph: Radiograph, label: str | None = None, *, method: str = DEFAULT_METHOD
) -> ClassExplanation:
    """Explain one class of a run's best epoch; parameters and errors as of `heat_map.explain`.

    A run has neither calibration nor operating points: an export chooses them.

    Raises
    ------
    ConfigError
        ``run_dir`` has no trained weights.

    """
    config = read_run_config(run_dir)
    network = read_network(run_dir, config)
    shown = display(radiograph, config.display)
    inputs = model_input(shown.image, size=config.input_size, channels=config.channels)
    with torch.inference_mode():
        logits = network(torch.from_numpy(inputs)[None])
    probabilities = probabilities_of(logits, exclusive=config.exclusive)[0].numpy()
    index = class_index(config.labels, probabilities, label)
    heat = class_map(network, inputs, index, method=method)
    return ClassExplanation(
        heat=stored_heat(heat, shown, radiograph),
        label=config.labels[index],
        probability=float(probabilities[index]),
        calibrated=False,
    )
