"""One run is one folder: its identity, files, lock, checkpoints, and how it is stopped and resumed."""
