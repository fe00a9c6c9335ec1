"""bytes <-> nouns, one file per format."""
