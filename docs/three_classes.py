"""Turn rendered label maps into three classes: the example of docs/your-data.md.

python docs/three_classes.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

IDS = {(128, 64, 128): 1, (64, 0, 128): 2}  # road and car; all else is 0


def main(folder: Path) -> None:
    """Write ids in place of colours, and the table of the three classes.

    Args:
        folder: what `python -m street_rendering` wrote.
    """
    for path in sorted((folder / "labels").glob("*.png")):
        colors = np.asarray(Image.open(path).convert("RGB"))
        ids = np.zeros(colors.shape[:2], "uint8")
        for color, class_id in IDS.items():
            ids[(colors == color).all(axis=-1)] = class_id
        Image.fromarray(ids).save(path)
    table = "id,name\n0,other\n1,lane\n2,vehicle\n"
    (folder / "class_dict.csv").write_text(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
