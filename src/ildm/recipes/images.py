"""Your own captioned images, imported by `ildm data import`: a few thousand of them and one machine are enough."""

from __future__ import annotations

from ildm.autoencoder.autoencoder import AutoencoderConfig
from ildm.autoencoder.loss import ReconstructionLossConfig
from ildm.conditioning.text import TextEncoderConfig
from ildm.data.folder import ImageFolderConfig
from ildm.denoiser.unet import UNetConfig
from ildm.training.loop import LoopConfig
from ildm.training.optimizer import OptimizerConfig
from ildm.training.recipe import Recipe, Sampling
from ildm.training.stage_one import StageOneConfig
from ildm.training.stage_two import StageTwoConfig


def recipe() -> Recipe:
    """128 px, f = 8; the graph of the shipped model, trained on a folder of yours."""
    return Recipe(
        name="images",
        summary="Trained on imported images.",
        data=ImageFolderConfig(name="images", size=128),
        autoencoder=AutoencoderConfig(
            channels=(48, 96, 160), num_res_blocks=1, middle_attention=False, latent_channels=8, fold=2
        ),
        stage_one=StageOneConfig(
            loop=LoopConfig(steps=10_000, sample_every=1_000),
            loss=ReconstructionLossConfig(
                perceptual_weight=0.1, discriminator_weight=0.25, discriminator_start=8_000, discriminator_ramp=500
            ),
            optimizer=OptimizerConfig(learning_rate=1e-3, betas=(0.5, 0.9), warmup_steps=200, decay="cosine"),
            batch_size=16,
            crop=64,
        ),
        denoiser=UNetConfig(channels=(96, 128, 160), res_blocks=(1, 1, 1), depths=(0, 1, 1), mid_depth=1, head_width=32),
        text=TextEncoderConfig(width=192, depth=3, num_heads=6, max_tokens=48, vocabulary_size=2048),
        stage_two=StageTwoConfig(
            loop=LoopConfig(steps=20_000, sample_every=2_000),
            optimizer=OptimizerConfig(learning_rate=8e-4, weight_decay=0.01, warmup_steps=500, decay="linear", decay_share=0.2),
            batch_size=64,
            ema_decay=0.999,
        ),
        sampling=Sampling(num_steps=25, guidance_scale=3.0),
    )
