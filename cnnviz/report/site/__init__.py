"""The static site of `artifacts/report/`: home, model, layer, filter and comparison pages. Reads files only."""
