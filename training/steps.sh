# The published model's steps (per worker) and version.
STABLE_STEPS=1504
DECAY_STEPS=640
VERSION=2026.11.1
