# Test programs, and the targets that run them.
