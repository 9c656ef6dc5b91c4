"""Stage two: the time-conditional U-Net, the bridge from it to a `Denoiser`, and guidance.

Rombach 2022, section 3.2 and 3.3. The network is `unet`, built of `blocks` (residual, resampling, time), `attention` and
`transformer`; `inference` is the same graph prepared to run fast; `precondition` and `guidance` make and combine denoisers.
"""
