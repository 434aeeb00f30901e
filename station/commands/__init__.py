"""The commands that have commands of their own.  Thin: every one says what it does, and calls what does it."""
