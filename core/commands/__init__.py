"""One command a file: read the options, call the core, print."""
