"""result -> layout (numbers) -> figure."""
