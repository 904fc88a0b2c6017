"""python -m asva_lightning."""

import os

# Before torch is imported. Threads that wait for each other by spinning take the processors from those they wait for:
# beside other programs that costs several times what spinning gains on a machine left alone (benchmarks/threads.py).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from asva_lightning.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
