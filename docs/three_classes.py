"""Convert rendered label maps to three classes, for the example of docs/your-data.md.

python docs/three_classes.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

IDS = {(128, 64, 128): 1, (64, 0, 128): 2}  # road and car; other classes become 0


def main(folder: Path) -> None:
    """Replace colors by class ids, and write the class table.

    Args:
        folder: output folder of `python -m street_rendering`.
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
