"""What a network starts from: files of many kinds, other networks, ImageNet."""

import re
import urllib.error
from pathlib import Path

import pytest
import torch
import torchvision

from lucency.classification.checkpoint import state_bytes
from lucency.classification.imagenet import TIMM, TORCHVISION, imagenet_address
from lucency.classification.networks import NETWORKS, StagedNetwork, build_network
from lucency.classification.weights import load_initial_weights
from lucency.configs.errors import ConfigError


@pytest.fixture(scope="module")
def grey() -> StagedNetwork:
    return build_network("tbnet", classes=1, channels=1)


def foreign_state(name: str) -> dict[str, torch.Tensor]:
    """Random weights with the names and shapes of torchvision's (or timm's) own model."""
    with torch.device("meta"):
        if name in TIMM:
            import timm

            model = timm.create_model(TIMM[name], pretrained=False)
        else:
            build = getattr(torchvision.models, TORCHVISION[name][0])
            options = {"init_weights": False} if name == "inception_v3" else {}
            model = build(weights=None, **options)
    generator = torch.Generator().manual_seed(3)
    return {
        key: torch.rand(value.shape, generator=generator).to(value.dtype)
        for key, value in model.state_dict().items()
    }


@pytest.mark.parametrize("name", sorted({**TORCHVISION, **TIMM}))
def test_every_tensor_of_a_foreign_backbone_arrives(name: str, tmp_path: Path) -> None:
    state = foreign_state(name)
    torch.save(state, tmp_path / "foreign.pth")
    network = build_network(name, classes=2, channels=3)
    load_initial_weights(network, name=name, weights=str(tmp_path / "foreign.pth"))
    own = network.features.state_dict()
    sources = {key.removeprefix("features."): value for key, value in state.items()}
    assert own
    assert all(torch.equal(value, sources[key]) for key, value in own.items())


@pytest.mark.parametrize(
    ("prefix", "wrapped", "suffix"),
    [
        ("module.", None, ".pth"),
        ("features.", "state_dict", ".pt"),
        ("module.features.", "model", ".pt"),
        ("", None, ".safetensors"),
    ],
)
def test_prefixes_and_wrappings_are_understood(
    tmp_path: Path, prefix: str, wrapped: str | None, suffix: str
) -> None:
    import safetensors.torch

    state = {f"{prefix}{key}": value for key, value in foreign_state("resnet18").items()}
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save({wrapped: state} if wrapped else state, path)
    network = build_network("resnet18", classes=1, channels=1, head="linear")
    load_initial_weights(network, name="resnet18", weights=str(path))
    own = network.features.state_dict()
    assert torch.equal(own["layer4.1.bn2.bias"], state[f"{prefix}layer4.1.bn2.bias"])
    assert torch.allclose(own["conv1.weight"], state[f"{prefix}conv1.weight"].sum(1, keepdim=True))


def test_a_backbone_with_another_attention_is_taken(grey: StagedNetwork, tmp_path: Path) -> None:
    (tmp_path / "best.safetensors").write_bytes(state_bytes(grey))
    other = build_network("pneumonianet", classes=1, channels=1)
    path = str(tmp_path / "best.safetensors")
    load_initial_weights(other, name="pneumonianet", weights=path)
    assert torch.equal(other.features.conv0.weight, grey.features.conv0.weight)
    assert torch.equal(other.head.last.weight, grey.head.last.weight)


def test_three_channels_from_one_see_grey_alike(grey: StagedNetwork, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(state_bytes(grey))
    colour = build_network("tbnet", classes=1, channels=3)
    load_initial_weights(colour, name="tbnet", weights=str(tmp_path / "w.safetensors"))
    image = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        expected = grey.eval()(image)
        assert torch.allclose(colour.eval()(image.repeat(1, 3, 1, 1)), expected, atol=1e-5)


def test_other_labels_keep_the_backbone(grey: StagedNetwork, tmp_path: Path) -> None:
    torch.save({"network": grey.state_dict()}, tmp_path / "last.pt")
    other = build_network("tbnet", classes=3, channels=1)
    load_initial_weights(other, name="tbnet", weights=str(tmp_path / "last.pt"))
    assert torch.equal(other.features.conv0.weight, grey.features.conv0.weight)
    assert torch.equal(other.head.first.weight, grey.head.first.weight)
    assert other.head.last.out_features == 3


def test_names_of_old_torchvision_files_are_understood(grey: StagedNetwork, tmp_path: Path) -> None:
    old = {
        name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value
        for name, value in grey.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save(old, tmp_path / "densenet121.pth")
    other = build_network("tbnet", classes=1, channels=1)
    load_initial_weights(other, name="tbnet", weights=str(tmp_path / "densenet121.pth"))
    name = "features.denseblock4.denselayer16.norm1.weight"
    assert torch.equal(other.state_dict()[name], grey.state_dict()[name])


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("absent.pt", None, "no such file"),
        ("text.pt", b"not a checkpoint", "cannot be read as weights"),
        ("text.safetensors", b"not a checkpoint", "cannot be read as weights"),
        ("nobundle", None, "no such bundle"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line(
    grey: StagedNetwork, tmp_path: Path, file: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(Exception, match=message) as caught:
        load_initial_weights(grey, name="tbnet", weights=str(tmp_path / file))
    assert type(caught.value).__name__ in {"ConfigError", "BundleError"}
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_are_refused(grey: StagedNetwork, tmp_path: Path) -> None:
    torch.save({"layer1.weight": torch.zeros(3)}, tmp_path / "resnet.pt")
    with pytest.raises(ConfigError, match="are for another network"):
        load_initial_weights(grey, name="tbnet", weights=str(tmp_path / "resnet.pt"))


def test_a_failed_download_says_how_to_go_on(
    grey: StagedNetwork, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    with pytest.raises(ConfigError, match=r"no route to host.*set weights to its path") as caught:
        load_initial_weights(grey, name="tbnet", weights="imagenet")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"small_cnn"}))
def test_imagenet_has_an_address_for_every_backbone(name: str) -> None:
    address = imagenet_address(name)
    assert address.startswith("https://")
    # PyTorch checks a download against the digest in its name.
    assert re.search(r"-[0-9a-f]{8,}\.pth$", address)


def test_a_network_without_imagenet_weights_says_so(tmp_path: Path) -> None:
    network = build_network("small_cnn", classes=1, channels=3)
    with pytest.raises(ConfigError, match="no ImageNet weights for the network 'small_cnn'"):
        load_initial_weights(network, name="small_cnn", weights="imagenet")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"], ids=["empty", "text"])
def test_a_damaged_file_that_was_fetched_before_is_named(
    content: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / imagenet_address("resnet18").rpartition("/")[2]
    cached.parent.mkdir(parents=True)
    cached.write_bytes(content)
    network = build_network("resnet18", classes=1, channels=3)
    with pytest.raises(ConfigError, match="cache is damaged: delete it") as caught:
        load_initial_weights(network, name="resnet18", weights="imagenet")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["resnet18", "xception"])
def test_what_was_fetched_before_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / imagenet_address(name).rpartition("/")[2]
    cached.parent.mkdir(parents=True)
    state = foreign_state(name)
    torch.save(state, cached)
    network = build_network(name, classes=1, channels=3)
    load_initial_weights(network, name=name, weights="imagenet")
    assert torch.equal(network.features.conv1.weight, state["conv1.weight"])
