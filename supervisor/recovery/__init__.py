"""The recovery scan: `decide` is pure, `scan` reads and acts, `report` counts. Runs before any stage starts."""
