"""Ids of CamVid's eleven classes, in CamVid's order, and of void."""

SKY = 0
BUILDING = 1
POLE = 2
ROAD = 3
PAVEMENT = 4
TREE = 5
SIGN = 6
FENCE = 7
CAR = 8
PEDESTRIAN = 9
BICYCLIST = 10
VOID = 11
