"""Killing the product anywhere: a world of its own, workers that die in it, and what must be true afterwards."""
