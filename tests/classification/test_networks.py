from pathlib import Path

import pytest
import torch

from lucency.classification.checkpoint import read_checkpoint, state_bytes
from lucency.classification.networks import (
    SpatialAttention,
    StagedNetwork,
    build_network,
    freeze_stages,
)
from lucency.classification.weights import load_initial_weights
from lucency.configs.errors import ConfigError


@pytest.fixture(scope="module")
def grey() -> StagedNetwork:
    return build_network("tbnet", classes=1, channels=1)


@pytest.mark.parametrize(("channels", "classes"), [(1, 1), (3, 2)])
def test_tbnet_gives_a_logit_for_each_label(channels: int, classes: int) -> None:
    network = build_network("tbnet", classes=classes, channels=channels).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, channels, 32, 32)).shape == (2, classes)
    widths = [layer.out_features for layer in network.head if isinstance(layer, torch.nn.Linear)]
    drops = [layer.p for layer in network.head if isinstance(layer, torch.nn.Dropout)]
    assert (widths, drops) == ([512, 256, classes], [0.5, 0.25])


def test_attention_weighs_places_alike_in_all_channels() -> None:
    maps = torch.rand(1, 4, 5, 5) + 0.1
    weights = SpatialAttention()(maps) / maps
    assert torch.allclose(weights, weights[:, :1].expand_as(weights), atol=1e-6)
    assert (weights > 0).all() and (weights < 1).all()


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no 'vgg'; choose one of: .*tbnet"):
        build_network("vgg", classes=1, channels=1)


def test_frozen_stages_do_not_learn_and_keep_their_statistics(grey: StagedNetwork) -> None:
    freeze_stages(grey, 2)
    stem, first, *others = grey.stages
    assert len(others) == 3
    for part in (*stem, *first):
        assert not part.training
        assert not any(p.requires_grad for p in part.parameters())
    assert all(p.requires_grad for part in others[0] for p in part.parameters())
    freeze_stages(grey, 0)
    assert all(p.requires_grad for p in grey.parameters())
    assert stem[1].training


class TestInitialWeights:
    def test_three_channels_from_one_see_grey_alike(
        self, grey: StagedNetwork, tmp_path: Path
    ) -> None:
        (tmp_path / "w.safetensors").write_bytes(state_bytes(grey))
        colour = build_network("tbnet", classes=1, channels=3)
        load_initial_weights(colour, name="tbnet", weights=str(tmp_path / "w.safetensors"))
        image = torch.rand(2, 1, 32, 32)
        with torch.inference_mode():
            expected = grey.eval()(image)
            assert torch.allclose(colour.eval()(image.repeat(1, 3, 1, 1)), expected, atol=1e-5)

    def test_other_labels_keep_the_backbone(self, grey: StagedNetwork, tmp_path: Path) -> None:
        torch.save({"network": grey.state_dict()}, tmp_path / "last.pt")
        other = build_network("tbnet", classes=3, channels=1)
        load_initial_weights(other, name="tbnet", weights=str(tmp_path / "last.pt"))
        assert torch.equal(other.features.conv0.weight, grey.features.conv0.weight)
        assert torch.equal(other.head[0].weight, grey.head[0].weight)
        assert other.head[-1].out_features == 3

    def test_names_of_old_torchvision_files_are_understood(
        self, grey: StagedNetwork, tmp_path: Path
    ) -> None:
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
        self, grey: StagedNetwork, tmp_path: Path, file: str, content: bytes | None, message: str
    ) -> None:
        if content is not None:
            (tmp_path / file).write_bytes(content)
        with pytest.raises(Exception, match=message) as caught:
            load_initial_weights(grey, name="tbnet", weights=str(tmp_path / file))
        assert type(caught.value).__name__ in {"ConfigError", "BundleError"}
        assert "\n" not in str(caught.value)

    def test_weights_of_another_network_are_refused(
        self, grey: StagedNetwork, tmp_path: Path
    ) -> None:
        torch.save({"layer1.weight": torch.zeros(3)}, tmp_path / "resnet.pt")
        with pytest.raises(ConfigError, match="are for another network"):
            load_initial_weights(grey, name="tbnet", weights=str(tmp_path / "resnet.pt"))

    def test_a_failed_download_says_how_to_go_on(
        self, grey: StagedNetwork, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        import urllib.error
        import urllib.request

        def refuse(*_: object, **__: object) -> None:
            raise urllib.error.URLError("no route to host")

        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        monkeypatch.setattr("torch.hub.urlopen", refuse)
        with pytest.raises(
            ConfigError, match=r"no route to host.*set weights to its path"
        ) as caught:
            load_initial_weights(grey, name="tbnet", weights="imagenet")
        assert "\n" not in str(caught.value)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(b"half a file")
    with pytest.raises(ConfigError, match=r"last\.pt: cannot be read"):
        read_checkpoint(tmp_path / "last.pt")
    assert read_checkpoint(tmp_path / "absent.pt") is None
