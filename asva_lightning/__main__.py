"""python -m asva_lightning."""

from asva_lightning.cli import main

if __name__ == "__main__":
    main()
