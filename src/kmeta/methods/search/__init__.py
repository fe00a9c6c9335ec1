"""Search strategies: one strategy in PubMed's syntax -> parsed, checked, translated to other databases."""
