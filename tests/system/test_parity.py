# SPDX-License-Identifier: Apache-2.0
"""Recordings of a real docker against our engine: with our client under docker's name, and with docker's own. What differs must be
explained by tests/parity-differences. PARITY_EVERY=1 runs all cases; the default is a sixth of each group."""
import os
import re
import shutil
import subprocess

import pytest

from daemon import BIN, ROOT, Daemon

TOOL = ROOT.parent / 'shared/parity/parity.py'
RECORDING = 'public-26.1-cli28.json'
EVERY = os.environ.get('PARITY_EVERY', '6')
GROUPS = os.environ.get('PARITY_GROUP', '^(api|error|format|table|inspect|state|build|flow|transfer|help)$')
PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'  # the recordings' own

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason='the recordings (../shared/parity) are not beside the repository')


def differences(client):
    rows = []
    for line in (ROOT / 'tests/parity-differences').read_text().splitlines():
        if line and not line.startswith('#'):
            who, case, lines, reason = line.split('\t')
            assert who in ('docker', 'estiba', 'both') and reason, line
            if who in (client, 'both'):
                rows.append((re.compile(case), re.compile(lines)))
    return rows


def failures(output):
    """{case: [its differing lines]} of the tool's -v output; "path: expected X" and "path: got Y" are one line."""
    cases, lines = {}, None
    for line in output.splitlines():
        if line.startswith('FAIL '):
            lines = cases.setdefault(line[5:], [])
        elif not line.startswith('    '):
            if not line.startswith('  '):
                lines = None
        elif lines is not None:
            got = re.fullmatch(r'\s*: got (.*)', line)
            if got:
                lines[-1] += ' got ' + got[1]
            elif re.match(r' {8}[-+]', line):
                lines.append(line[8:])
            elif not re.match(r' {8}( |@@|$)', line) and not re.fullmatch(r'\s*([\w .]* )?(text|list):( line ends differ)?', line):
                lines.append(line.strip())
            elif line.endswith('line ends differ'):
                lines.append('line ends differ')
    return cases


def unexplained(client, output):
    rows, left = differences(client), []
    for case, lines in failures(output).items():
        mine = [pattern for name, pattern in rows if name.fullmatch(case)]
        bad = [line for line in lines if not any(p.search(line) for p in mine)]
        if bad or not lines:
            left.append('\n'.join([case, *('    ' + line for line in bad[:20])]))
    return left


def compare(client, program):
    d = Daemon('--debug=false')
    try:
        d.start()
        env = {**d.env(), 'DOCKER': str(program), 'PARITY_WIPE': '1', 'PATH': PATH}
        r = subprocess.run(['/usr/bin/python3', str(TOOL), 'compare', str(TOOL.parent / RECORDING), '--group', GROUPS, '--every', EVERY,
                            '-v'], env=env, capture_output=True, text=True, timeout=600)
    finally:
        d.close()
    count = re.search(r'^(\d+) passed, \d+ failed, \d+ skipped$', r.stdout, re.M)
    assert count and int(count[1]) > 0, r.stdout[-2000:] + r.stderr[-2000:]
    print(r.stdout[r.stdout.rfind('\ngroup '):])
    left = unexplained(client, r.stdout)
    assert not left, '\n'.join(left)


def test_our_client_as_docker(tmp_path):
    (tmp_path / 'docker').symlink_to(BIN / 'estiba')
    compare('estiba', tmp_path / 'docker')


def test_docker_client():
    docker = shutil.which('docker')
    said = subprocess.run([docker, '--version'], capture_output=True, text=True).stdout if docker else ''
    if not re.match(r'Docker version 28\.', said):
        pytest.skip('no docker client 28, with which the recording was made')
    compare('docker', docker)
