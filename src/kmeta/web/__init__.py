"""The review in a browser: parse, one step, render."""
