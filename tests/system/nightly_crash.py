# SPDX-License-Identifier: Apache-2.0
"""The long crash loops: every row of crash.POINTS, again and again, and kills at random instants of every operation; `make nightly`.
CRASH_ROUNDS: how often each row (default 2); CRASH_RANDOM: random kills (default 200); CRASH_SEED: their times and order."""
import os
import random
import time

import pytest

import crash
from test_crash import house, houses, pytestmark  # noqa: F401 (fixtures)

ROUNDS = int(os.environ.get('CRASH_ROUNDS', '2'))
RANDOM = int(os.environ.get('CRASH_RANDOM', '200'))
SEED = int(os.environ.get('CRASH_SEED', str(int(time.time()))))
NAMES = sorted(crash.OPERATIONS)


@pytest.mark.parametrize('again', range(ROUNDS))
@pytest.mark.parametrize('point,name,nth', crash.POINTS)
def test_point(house, point, name, nth, again):  # noqa: F811
    house.at_point(point, name, nth)


@pytest.mark.parametrize('n', range(RANDOM))
def test_random(house, n):  # noqa: F811
    print(f'CRASH_SEED={SEED}')
    house.at_random(NAMES[n % len(NAMES)], random.Random(SEED * 1000 + n))
