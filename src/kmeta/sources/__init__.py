"""Bibliographic databases over HTTP: a strategy -> pages of records as the database sent them, and what to report."""
