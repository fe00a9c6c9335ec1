"""Named checks of the evidence: nouns in, findings out."""
