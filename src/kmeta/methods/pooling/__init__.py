"""Pooling of survival: curves, medians, restricted means, individual data of several studies -> one answer."""
