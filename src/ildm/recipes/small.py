"""The graphs and schedules that fit two CPU cores at 128 px, shared by the recipes that use them."""

from __future__ import annotations

from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.loss import ReconstructionLossConfig
from ildm.conditioning.text import TextEncoderConfig
from ildm.denoiser.config import UNetConfig
from ildm.training.loop import LoopConfig
from ildm.training.optimizer import OptimizerConfig
from ildm.training.stage_one import StageOneConfig
from ildm.training.stage_two_config import StageTwoConfig

AUTOENCODER = AutoencoderConfig(
    channels=(48, 96, 160), num_res_blocks=1, decoder_res_blocks=(4, 4, 2), middle_attention=False, latent_channels=12, fold=2
)
DENOISER = UNetConfig(channels=(96, 128, 160), res_blocks=(1, 1, 1), depths=(0, 1, 1), mid_depth=1, head_width=32)
TEXT = TextEncoderConfig(width=192, depth=3, num_heads=6, max_tokens=48, vocabulary_size=2048)


def stage_one(steps: int) -> StageOneConfig:
    """On 64-px crops, by the absolute error alone: at this budget the other terms add dots.

    See docs/decisions/first-stage-terms.md.
    """
    return StageOneConfig(
        loop=LoopConfig(steps=steps, sample_every=steps // 6),
        loss=ReconstructionLossConfig(backbone="none", discriminator_weight=0.0),
        optimizer=OptimizerConfig(
            learning_rate=1e-3, hidden_learning_rate=4e-3, betas=(0.5, 0.9), warmup_steps=100, decay="cosine"
        ),
        batch_size=16,
        crop=64,
        equivariance=0.3,
    )


def stage_two(steps: int) -> StageTwoConfig:
    """On cached latents, rectified flow with logit-normal times; Muon on the hidden matrices (docs/decisions/muon.md)."""
    return StageTwoConfig(
        loop=LoopConfig(steps=steps, sample_every=2_000),
        optimizer=OptimizerConfig(
            learning_rate=1e-3, hidden_learning_rate=3e-3, weight_decay=0.01, warmup_steps=500, decay="linear", decay_share=0.25
        ),
        batch_size=64,
        ema_decay=0.999,
    )
