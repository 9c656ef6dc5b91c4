"""Data sets: EmojiScenes, folders of your own images, and the latents cached from them."""
