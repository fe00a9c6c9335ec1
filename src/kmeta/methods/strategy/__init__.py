"""The strategy table: who, which treatment, resting on what, how sure."""
