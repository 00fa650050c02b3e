"""Diagnosis: every known way in which a generative model fails, recognised, with its evidence."""
