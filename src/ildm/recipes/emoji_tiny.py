"""The whole method in seconds, on the 24 sprites inside the package: for tests and for a first look."""

from __future__ import annotations

from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.loss import ReconstructionLossConfig
from ildm.conditioning.text import TextEncoderConfig
from ildm.data.emoji_scenes import EmojiScenesConfig
from ildm.denoiser.config import UNetConfig
from ildm.training.loop import LoopConfig
from ildm.training.optimizer import OptimizerConfig
from ildm.training.recipe import Recipe, Sampling
from ildm.training.stage_one import StageOneConfig
from ildm.training.stage_two_config import StageTwoConfig


def recipe() -> Recipe:
    """64 px, f = 8, 8x8 latents; both stages at toy size."""
    return Recipe(
        name="emoji-tiny",
        summary="A toy that shows every part at work; it draws coloured blobs.",
        data=EmojiScenesConfig(size=64, length=192, sprites="sample", max_objects=1, backgrounds=("plain",)),
        autoencoder=AutoencoderConfig(channels=(16, 32, 32), num_res_blocks=1, middle_attention=False, fold=2),
        stage_one=StageOneConfig(
            loop=LoopConfig(steps=40, log_every=20),
            loss=ReconstructionLossConfig(backbone="none", discriminator_start=30, discriminator_ramp=10),
            optimizer=OptimizerConfig(learning_rate=2e-3, betas=(0.5, 0.9), warmup_steps=10),
            batch_size=8,
            crop=32,
            discriminator_channels=8,
            precision="float32",
        ),
        denoiser=UNetConfig(channels=(32, 64), res_blocks=(1, 1), depths=(0, 1), mid_depth=1, head_width=32),
        text=TextEncoderConfig(width=32, depth=1, num_heads=2, max_tokens=32, vocabulary_size=512),
        stage_two=StageTwoConfig(
            loop=LoopConfig(steps=40, log_every=20),
            optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=10),
            batch_size=16,
            precision="float32",
            ema_decay=0.95,
        ),
        sampling=Sampling(num_steps=5, guidance_scale=2.0),
        prompts=("a rose on a plain blue background", "a key on a plain white background"),
        workers=0,
    )
