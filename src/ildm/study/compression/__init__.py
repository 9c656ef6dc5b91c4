"""Compression factors compared: first stages from f = 1, which is pixels, to f = 32, and a denoiser on each (Rombach 2022, section 4.1)."""
