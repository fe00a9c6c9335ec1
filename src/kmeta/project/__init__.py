"""The review (database and files) <-> nouns; the only room that opens them."""
