# The published model's steps (per worker: two in the first two phases, one in the third) and version.
STABLE_STEPS=1504
DECAY_STEPS=640
CONTINUED_STABLE_STEPS=3000
CONTINUED_DECAY_STEPS=808
LATE_SHARE=0.8
VERSION=2026.12.1
