"""Results -> text and tables."""
