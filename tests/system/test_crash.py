# SPDX-License-Identifier: Apache-2.0
"""kill -9 of estibad at named points (store/crashpoint.h) of pull, load, build, commit, rmi, create, start, run, rm and prune: a dozen here,
all of them many times in `make nightly`."""
import os
import pathlib
import re

import pytest

import crash
from daemon import BIN, BUSYBOX, ROOT

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root'),
    pytest.mark.skipif(not os.path.exists(BUSYBOX), reason='needs busybox-static'),
    pytest.mark.skipif(not (BIN / 'estibad').exists(), reason='estibad is not built'),
]
HERE = [('layer-renamed', 'pull', 2), ('layer-synced', 'load', 1), ('build-packed', 'build', 1), ('upper-packed', 'commit', 1), ('gc-record', 'rmi', 1),
        ('rmi-forgotten', 'rmi', 1), ('image-pruned', 'image-prune', 1), ('volume-recorded', 'create', 1), ('create-dirs', 'create-rm', 1),
        ('volume-copied', 'run', 1), ('start-monitor', 'start', 1), ('remove-forgotten', 'rm', 1), ('volume-forgotten', 'volume-rm', 1)]


@pytest.fixture(scope='module')
def houses():
    kept = []
    yield kept
    for h in kept:
        h.close()


@pytest.fixture
def house(houses):
    """One for all, and a new one after a failure: what that left is not for others to find."""
    if houses and not houses[0].is_clear:
        houses.pop().close()
    if not houses:
        houses.append(crash.House())
    return houses[0]


@pytest.mark.parametrize('point,name,nth', HERE)
def test_point(house, point, name, nth):
    if name == 'pull' and not house.registry:
        pytest.skip('no docker-registry')
    house.at_point(point, name, nth)


def test_table_is_complete():
    """Every point of the sources has a row, every row a point."""
    header = (ROOT / 'src/store/crashpoint.h').read_text()
    names = {n.lower().replace('_', '-') for n in re.findall(r'^\tCRASH_(\w+),', header, re.M)} - {'never'}
    assert names == {row[0] for row in crash.POINTS}
    assert set(HERE) <= set(crash.POINTS)
    used = set()
    for path in pathlib.Path(ROOT / 'src').glob('*/*.c'):
        if path.name != 'crashpoint.c':
            used |= {n.lower().replace('_', '-') for n in re.findall(r'\bCRASH_(\w+)', path.read_text())}
    assert names == used
