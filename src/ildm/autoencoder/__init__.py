"""Stage one: an autoencoder that compresses images to a small latent grid (Rombach 2022, section 3.1)."""
