"""PURE: arrays or nouns in, frozen result out; no files, no printing, no clock, no hidden seed."""
