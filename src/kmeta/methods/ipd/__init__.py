"""Reconstruction: points of a published curve and what stands beside it -> individual data."""
