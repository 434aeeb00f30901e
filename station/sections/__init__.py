"""The sections of the configuration; whence their relative paths count, and their mistakes in words."""
