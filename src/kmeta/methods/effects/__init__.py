"""Reported numbers -> yi, vi on the analysis scale."""
