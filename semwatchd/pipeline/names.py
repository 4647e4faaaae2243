"""The stages a plan may name. Apart from the stages themselves, so that reading a plan loads no numpy."""

KNOWN_STAGES = ("intensity", "sharpness", "spectrum", "registration")
