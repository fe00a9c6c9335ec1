"""What every room may use: errors, registry, frozen arrays, results, numbers."""
