"""The built-in metrics, one file each. They register as entry points, like anybody's."""
