"""Models on disk: the native folder, detection of what a path holds, and models known by name."""
