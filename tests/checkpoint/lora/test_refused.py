"""What is no LoRA of a model is told, and changes nothing."""

import pickle
import warnings

import pytest
import torch

from ildm.checkpoint.lora import read_lora
from ildm.core.errors import CheckpointError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")

from lora_files import filled, kohya, model_of, pairs_for, papers_names, write
from unet_peers import make_unet

PROMPTS = ["a photo of a red cat", "the dog!"]
TIMES = torch.tensor([10.0, 700.0])


def refused(path, model, told):
    before = {name: tensor.clone() for name, tensor in model.unet.state_dict().items()}
    with pytest.raises(CheckpointError, match=told):
        read_lora(path, model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.unet.state_dict().items())


def test_a_file_for_another_model_is_told(sd, xl, tmp_path):
    papers = kohya(papers_names(pairs_for(xl[0], only="blocks"), xl[1].unet.config))
    refused(write(tmp_path / "xl.safetensors", papers), sd[1], r"no place for: it was made for another model")
    texts = {"lora_te2_text_model_encoder_layers_0_mlp_fc1": (torch.ones(1, 4), torch.ones(4, 1), 1.0)}
    for model in (sd[1], xl[1]):
        refused(
            write(tmp_path / "text.safetensors", kohya(texts, "")),
            model,
            "lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha, ",
        )


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"lora_unet_conv_in.dora_scale": (1,)}, r"is a DoRA adapter \(it holds lora_unet_conv_in\.dora_scale\), but only plain LoRA"),
        ({"unet.conv_in.lora_magnitude_vector.weight": (1,)}, "is a DoRA adapter"),
        ({"lora_unet_conv_in.hada_w1_a": (1, 1), "lora_unet_conv_in.hada_w1_b": (1, 1)}, "is a LoHa adapter"),
        ({"lora_unet_conv_in.lokr_w1": (1, 1)}, "is a LoKr adapter"),
        ({"lora_unet_conv_in.oft_blocks": (1, 1)}, "is a OFT adapter"),
        ({"lora_unet_conv_in.diff_b": (1,)}, "is a full-weight adapter"),
        ({"lora_unet_conv_in.lora_up.bias": (32,)}, r"holds lora_unet_conv_in\.lora_up\.bias, which a LoRA has no use for"),
        ({"conv_in.weight": (32, 4, 3, 3)}, r"holds conv_in\.weight, which a LoRA has no use for"),
        ({f"lora_unet_strange_{place}.lora_{half}.weight": (1,) for place in range(5) for half in ("up", "down")},
         r"holds lora_unet_strange_0\.lora_down\.weight, .* and 7 more, which this model has no place for"),
        ({"lora_unet_conv_out.lora_up.weight": (4, 1, 1, 1)}, r"holds lora_unet_conv_out\.lora_up\.weight without the rest of the pair"),
        ({"lora_unet_conv_out.alpha": ()}, r"holds lora_unet_conv_out\.alpha without the rest"),
        ({"lora_unet_conv_in.alpha": (2,)}, r"alpha of shape \(2,\), but alpha is one number"),
        ({"lora_unet_conv_in.lora_down.weight": (1, 9, 3, 3)},
         r"conv_in \(\(32, 1, 1, 1\) by \(1, 9, 3, 3\), but the weight is \(32, 4, 3, 3\)\)"),
        ({"lora_unet_conv_in.lora_up.weight": (32, 2, 1, 1)}, "does not fit this model's lora_unet_conv_in"),
        ({"lora_unet_conv_in.lora_down.weight": ()}, "does not fit this model's lora_unet_conv_in"),
        ({"lora_unet_conv_in.lora_mid.weight": (1, 1, 3, 3)}, r"lora_mid\.weight of shape \(1, 1, 3, 3\) behind \(1, 4, 3, 3\)"),
        ({"unet.conv_in.lora_A.weight": (1, 4, 3, 3), "unet.conv_in.lora_B.weight": (32, 1, 1, 1)},
         r"(lora_unet_|unet\.)conv_in \(twice\)"),
    ],
)  # fmt: skip
def test_what_is_no_lora_of_this_model_is_told(more, told, toy, tmp_path):
    file = {"lora_unet_conv_in.lora_down.weight": (1, 4, 3, 3), "lora_unet_conv_in.lora_up.weight": (32, 1, 1, 1)} | more
    path = write(tmp_path / "file.safetensors", {name: torch.ones(shape) for name, shape in file.items()})
    refused(path, toy, told)


def test_damaged_files_are_told(toy, tmp_path):
    model = toy
    good = {"conv_in.lora_A.weight": torch.ones(1, 4, 3, 3), "conv_in.lora_B.weight": torch.ones(32, 1, 1, 1)}
    refused(tmp_path / "none.safetensors", model, "is missing")
    refused(write(tmp_path / "empty.safetensors", {}), model, "holds nothing")
    for bad, told in (
        (torch.full((32, 1, 1, 1), torch.nan), "not numbers"),
        (torch.ones(32, 1, 1, 1).int(), "in int32, but a floating"),
    ):
        refused(write(tmp_path / "bad.safetensors", good | {"conv_in.lora_B.weight": bad}), model, told)
    whole = write(tmp_path / "good.safetensors", good).read_bytes()
    (tmp_path / "short.safetensors").write_bytes(whole[:-8])
    refused(tmp_path / "short.safetensors", model, "is truncated or not a safetensors file")
    (tmp_path / "old.pt").write_bytes(pickle.dumps({}, protocol=2))
    refused(tmp_path / "old.pt", model, "is a pickled checkpoint")


def test_fused_attention_is_told(tmp_path):
    model = model_of(filled(make_unet("LDM")))
    file = kohya({"mid_block.attentions.0.to_q": (torch.ones(1, 64), torch.ones(64, 1), 1.0)})
    refused(write(tmp_path / "file.safetensors", file), model, "which this model has no place for")
