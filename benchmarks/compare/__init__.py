"""Side by side timing of pycore and other libraries: `python -m benchmarks.compare --help`."""
