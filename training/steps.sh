# The published model's steps (per worker: two in the first two phases and the last, one in the third) and version.
STABLE_STEPS=1504
DECAY_STEPS=640
CONTINUED_STABLE_STEPS=3000
CONTINUED_DECAY_STEPS=808
AGAIN_STABLE_STEPS=1200
AGAIN_DECAY_STEPS=850
AGAIN_SEED=3
LATE_SHARE=0.8
VERSION=2026.12.2
