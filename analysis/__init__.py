"""Statistics, tables, plots and reports of a finished run. Reads results/, never runs a
benchmark."""
