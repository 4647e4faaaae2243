import hashlib
import json
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from semwatchd.models.checkpoint import load_model, save_model
from semwatchd.models.manifest import Manifest, UnusableWeightsError
from semwatchd.models.networks import MIDDLE, Architecture, build


def manifest(architecture: str = "unet-2-8") -> Manifest:
    return Manifest(
        architecture=architecture,
        shots="any",
        pixel_size_nm=1.5,
        middle=MIDDLE,
        data="0" * 64,
        command="semwatchd train depth",
        rmse={"test": 1.5},
        weights="",
    )


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, nn.Module]:
    torch.manual_seed(0)
    network = build(Architecture.named("unet-2-8"))
    network(torch.rand(4, 1, 16, 16))  # running statistics that are not the initial ones
    path = tmp_path / "depth.safetensors"
    save_model(path, network.eval(), manifest())
    return path, network


def test_what_is_loaded_is_what_was_saved_at_half_precision(saved: tuple[Path, nn.Module]) -> None:
    path, network = saved
    loaded, known = load_model(path)
    assert not loaded.training
    assert (known.architecture, known.rmse) == ("unet-2-8", {"test": 1.5})
    for name, values in network.state_dict().items():
        there = loaded.state_dict()[name]
        assert torch.equal(there, values.half().float() if values.is_floating_point() else values)
    frames = torch.rand(1, 1, 16, 16)
    assert torch.allclose(loaded(frames), network(frames), atol=5e-3)
    assert path.stat().st_size < 3 * sum(p.numel() for p in network.parameters())


def test_one_changed_byte_is_noticed(saved: tuple[Path, nn.Module]) -> None:
    path, _ = saved
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnusableWeightsError, match="not those of their manifest"):
        load_model(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("architecture", "resnet-9-9", "no architecture this version knows"),
        ("architecture", "unet-3-8", "do not fit this version"),
        ("format", 99, "another format"),
        ("middle", 1.0, "another format"),
    ],
)
def test_what_this_version_does_not_know_is_refused(
    saved: tuple[Path, nn.Module], key: str, value: object, message: str
) -> None:
    path, _ = saved
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {key: value}))
    with pytest.raises(UnusableWeightsError, match=message):
        load_model(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", "\x00"])
def test_a_broken_manifest_is_refused(saved: tuple[Path, nn.Module], content: str) -> None:
    path, _ = saved
    path.with_suffix(".json").write_text(content)
    with pytest.raises(UnusableWeightsError, match="no manifest"):
        load_model(path)


def test_missing_files_are_named(saved: tuple[Path, nn.Module]) -> None:
    path, _ = saved
    path.unlink()
    with pytest.raises(UnusableWeightsError, match=r"depth\.safetensors cannot be read"):
        load_model(path)
    with pytest.raises(UnusableWeightsError, match=r"other\.json"):
        load_model(path.with_name("other.safetensors"))


class Trap:
    """Would make a file if it were unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.target,)


def test_a_pickle_is_not_run_even_with_a_fitting_hash(saved: tuple[Path, nn.Module], tmp_path: Path) -> None:

    path, _ = saved
    path.write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    beside = path.with_suffix(".json")
    known = json.loads(beside.read_text()) | {"weights": hashlib.sha256(path.read_bytes()).hexdigest()}
    beside.write_text(json.dumps(known))
    with pytest.raises(UnusableWeightsError):
        load_model(path)
    assert not (tmp_path / "sprung").exists()
