"""Placement of vehicles, people, plants, fences and furniture on a street."""

import dataclasses
import math

import numpy as np

from street_rendering.colors import pick
from street_rendering.cyclists import Cyclist
from street_rendering.fences import Fence
from street_rendering.furniture import Clutter, LampPost
from street_rendering.layout import Street
from street_rendering.pedestrians import Pedestrian
from street_rendering.sampling import choose, choose_by_share
from street_rendering.signs import SignPost, TrafficLight
from street_rendering.things import Thing
from street_rendering.vegetation import LEAVES, Hedge, Tree
from street_rendering.vehicles import Car

FENCE_SECTION = 5.0  # metres
FARTHEST_FENCE = 45.0  # metres


def place_objects(street: Street, rng: np.random.Generator) -> list[Thing]:
    """Sample all objects of a street except its houses, in arbitrary order."""
    things: list[Thing] = []
    for side in street.sides:
        things += _park_cars(side, rng)
        things += _plant(side, rng)
        things += _fence(side, rng)
        things += _furnish(side, rng)
        things += _walk(side, rng)
    things += _drive(street, rng)
    things += _cross(street, rng)
    things += _cycle(street, rng)
    return things


def _park_cars(side, rng):
    if not side.has_parking:
        return []
    cars, z, density = [], rng.uniform(4, 14), rng.uniform(0.3, 0.95)
    while z < 60:
        if rng.random() < density and not side.is_open(z - 3, z + 3):
            x = side.kerb - side.sign * rng.uniform(0.95, 1.15)
            yaw = (0.0 if rng.random() < 0.6 else math.pi) + rng.normal(0, 0.02)
            cars.append(Car.sample(rng, x, z, yaw, is_driving=False))
        z += rng.uniform(5.2, 7.5)
    return cars


def _drive(street, rng):
    cars = []
    for x, is_oncoming in street.lanes:
        if rng.random() < 0.25:
            continue
        z = rng.uniform(10, 40) if x == 0 else rng.uniform(6, 35)
        for _ in range(int(rng.integers(1, 4))):
            yaw = math.pi if is_oncoming else 0.0
            yaw += rng.normal(0, 0.03)
            place = x + rng.normal(0, 0.2)
            cars.append(Car.sample(rng, place, z, yaw, is_driving=True))
            z += rng.uniform(9, 25)
    return cars


def _cross(street, rng):
    """Place cars that turn into or out of a side street."""
    cars = []
    for side in street.sides:
        if side.opening is None or rng.random() < 0.5:
            continue
        z = 0.5 * sum(side.opening) + rng.uniform(-1, 1)
        x = side.kerb + side.sign * rng.uniform(-1, 4)
        yaw = choose(rng, (-1, 1)) * math.pi / 2 + rng.normal(0, 0.25)
        cars.append(Car.sample(rng, x, z, yaw, is_driving=True))
    return cars


def _plant(side, rng):
    things: list[Thing] = []
    leaf = pick(rng, LEAVES, 10)
    density = choose(rng, (0.2, 0.6, 0.9))
    z = rng.uniform(6, 16)
    at_kerb = side.kerb + side.sign * 0.6
    behind = side.facade + side.sign * rng.uniform(-0.5, 2.5)
    x = at_kerb if rng.random() < 0.5 else behind
    while z < 85:
        if rng.random() < density and not side.is_open(z - 1, z + 1):
            own_leaf = leaf if rng.random() < 0.6 else pick(rng, LEAVES, 10)
            place = x + rng.normal(0, 0.3)
            things.append(Tree.sample(rng, place, z, own_leaf))
        z += rng.uniform(5.5, 12)
    if abs(side.facade - side.garden) > 1 and rng.random() < 0.5:
        near = rng.uniform(0, 15)
        far = near + rng.uniform(6, 30)
        if not side.is_open(near, far):
            hedge_x = side.garden + side.sign * 0.3
            height, offset = rng.uniform(0.9, 2.2), int(rng.integers(0, 500))
            leaf = pick(rng, LEAVES[:5])
            things.append(Hedge(hedge_x, near, far, height, leaf, offset))
    return things


def _fence(side, rng):
    fences = []
    if abs(side.facade - side.garden) > 0.8 and rng.random() < 0.95:
        near = rng.uniform(0, 12)
        for _ in range(int(rng.integers(1, 4))):
            far = near + rng.uniform(6, 18)
            fence = Fence.sample(rng, side.garden, side.sign, near, far)
            fences += _in_sections(side, fence)
            near = far + rng.uniform(1.2, 6)
    if not side.has_parking and rng.random() < 0.5:
        near = rng.uniform(4, 22)
        far = near + rng.uniform(6, 16)
        x = side.kerb + side.sign * 0.3
        rail = Fence.sample(rng, x, side.sign, near, far, is_at_kerb=True)
        fences += _in_sections(side, rail)
    return fences


def _in_sections(side, fence):
    """Divide a fence into short sections, except where side streets are."""
    sections, near = [], fence.near
    end = min(fence.far, FARTHEST_FENCE)
    while near < end:
        far = min(near + FENCE_SECTION, end)
        if not side.is_open(near, far):
            sections.append(dataclasses.replace(fence, near=near, far=far))
        near = far
    return sections


def _furnish(side, rng):
    things: list[Thing] = []
    at_kerb = side.kerb + side.sign * 0.45
    z, spacing = rng.uniform(7, 22), rng.uniform(14, 28)
    while z < 75 and rng.random() < 0.9:
        things.append(LampPost.sample(rng, at_kerb, z, -side.sign))
        z += spacing
    for _ in range(choose_by_share(rng, (0, 1, 2, 3), (0.25, 0.4, 0.25, 0.1))):
        x = at_kerb + side.sign * rng.uniform(-0.1, 0.4)
        things.append(SignPost.sample(rng, x, rng.uniform(6, 28)))
    if rng.random() < 0.25:
        things.append(TrafficLight.sample(rng, at_kerb, rng.uniform(8, 30)))
    for _ in range(choose_by_share(rng, (0, 1, 2), (0.55, 0.3, 0.15))):
        x = side.garden - side.sign * rng.uniform(0.4, 0.7)
        things.append(Clutter.sample(rng, x, rng.uniform(5, 25)))
    return things


def _walk(side, rng):
    people = []
    for _ in range(choose_by_share(rng, (0, 1, 2, 4), (0.22, 0.36, 0.24, 0.18))):
        share = rng.uniform(0.2, 0.85)
        x = side.kerb + share * (side.garden - side.kerb)
        z = 4.5 + 20 * rng.random() ** 1.5
        people.append(Pedestrian.sample(rng, x, z))
        if rng.random() < 0.3:
            neighbor = x + rng.uniform(0.5, 0.7)
            people.append(Pedestrian.sample(rng, neighbor, z + rng.uniform(-0.4, 0.4)))
    if rng.random() < 0.15:
        x = rng.uniform(0.2, 1.0) * side.kerb
        people.append(Pedestrian.sample(rng, x, rng.uniform(9, 30)))
    return people


def _cycle(street, rng):
    cyclists = []
    for _ in range(choose_by_share(rng, (0, 1, 2, 3), (0.25, 0.42, 0.23, 0.10))):
        side = street.sides[int(rng.integers(2))]
        inset = 2.6 if side.has_parking else 0.7
        x = side.kerb - side.sign * (inset + rng.uniform(0, 0.6))
        cyclists.append(Cyclist.sample(rng, x, rng.uniform(4.5, 19)))
    return cyclists
