"""CSV files: strict, exact, and as fast as Arrow reads them. `reader` is where to begin."""
