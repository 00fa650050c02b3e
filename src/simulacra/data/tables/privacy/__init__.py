"""Attacks on synthetic rows and on the model file, copies, and intervals of what they find."""
