"""The nouns of a review: frozen values that every room speaks of."""
