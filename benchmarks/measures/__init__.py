"""One file for each measure: `measure(setting)` gives its figures. docs/performance.md says what they mean."""
