"""Which estimates enter a synthesis, and why the others do not."""
