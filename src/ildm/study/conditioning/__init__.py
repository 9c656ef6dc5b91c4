"""Routes of a condition compared: a semantic map beside the latent, or read by cross-attention (Rombach 2022, section 3.3)."""
