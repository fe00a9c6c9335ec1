"""Survival analysis of individual data."""
