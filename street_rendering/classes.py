"""The classes of the label maps: CamVid's eleven, in CamVid's order, and void."""

# Name and RGB color, 0 to 255; the position is the class id. The colors are those of
# SegNet-Tutorial's Scripts/test_segmentation_camvid.py.
CLASSES = (
    ("sky", (128, 128, 128)),
    ("building", (128, 0, 0)),
    ("pole", (192, 192, 128)),
    ("road", (128, 64, 128)),
    ("pavement", (60, 40, 222)),
    ("tree", (128, 128, 0)),
    ("sign", (192, 128, 128)),
    ("fence", (64, 64, 128)),
    ("car", (64, 0, 128)),
    ("pedestrian", (64, 64, 0)),
    ("bicyclist", (0, 128, 192)),
    ("void", (0, 0, 0)),
)
SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE = range(6)
SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST, VOID = range(6, 12)
