"""Cheap decoders for previews: fitted, kept, found again."""
