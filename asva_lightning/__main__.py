"""python -m asva_lightning."""

import os

# Before torch is imported. Threads that wait for each other by spinning take the processors from those they wait for:
# where other programs run too, steps took three to five times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from asva_lightning.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
