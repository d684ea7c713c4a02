#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""plan.py: hold the sources against the plan of the house in src/meson.build.

Usage: plan.py CHECK SOURCE_ROOT BUILD_ROOT, CHECK one of
  includes   every #include "room/x.h" is of the same room or of one that the plan allows; private headers stay inside
  links      what a room's library needs is in itself or in a room that the plan allows
  globals    no writable global but those named in ALLOWED_GLOBALS
  basenames  no two modules have one name; a .c file's first lines are the licence and one sentence
"""
import ast
import pathlib
import re
import subprocess
import sys

# room: {symbol: reason}. A symbol that is not here makes the check fail.
ALLOWED_GLOBALS = {
    'base': {'sink': 'the one log sink'},
    'codec': {'known': 'sha256.c: whether the processor has SHA instructions, asked once'},
}


def plan(root):
    text = (root / 'src/meson.build').read_text()
    body = re.search(r'^plan = (\[.*?^\])', text, re.S | re.M).group(1)
    body = re.sub(r'#.*', '', body).replace('true', 'True').replace('false', 'False')
    return {row[0]: set(row[1]) for row in ast.literal_eval(body)}


def closure(rooms, name):
    return {name} | rooms[name]


def sources(root, room):
    return sorted(p for p in (root / 'src' / room).glob('*') if p.suffix in ('.c', '.h'))


def check_includes(root, _build):
    rooms = plan(root)
    for room in rooms:
        for path in sources(root, room):
            for n, line in enumerate(path.read_text().splitlines(), 1):
                m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
                if not m:
                    continue
                where = f'{path.relative_to(root)}:{n}'
                if m.group(1) == f'{room}_config.h':
                    continue  # written by the build
                if '/' not in m.group(1):
                    yield f'{where}: includes "{m.group(1)}" without naming its room'
                    continue
                used = m.group(1).split('/')[0]
                if used not in rooms:
                    yield f'{where}: there is no room {used}'
                elif used not in closure(rooms, room):
                    yield f'{where}: room {room} may not use {used}'
                elif used != room and m.group(1).endswith('_priv.h'):
                    yield f'{where}: {m.group(1)} is private to its room'


def symbols(lib, kinds):
    out = subprocess.run(['nm', '-P', str(lib)], capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        parts = line.split()
        if len(parts) >= 2 and parts[1] in kinds:
            yield parts[0]


def library(build, room):
    return build / 'src' / f'libroom-{room}.a'


def check_links(root, build):
    rooms = plan(root)
    owner = {}
    for room in rooms:
        for s in symbols(library(build, room), 'TDBR'):
            owner[s] = room
    for room in rooms:
        for s in sorted(set(symbols(library(build, room), 'U'))):
            used = owner.get(s)
            if used and used not in closure(rooms, room):
                yield f'room {room} calls {s} of {used}, which the plan does not allow'


def writable(lib):
    """Objects in sections that stay writable: not .data.rel.ro, which the loader seals (RELRO)."""
    out = subprocess.run(['objdump', '-t', str(lib)], capture_output=True, text=True, check=True).stdout
    found = set()
    for line in out.splitlines():
        m = re.match(r'\S+ .{5}O (\.\S+)\s+\S+\s+(?:\.hidden )?(\S+)$', line)
        if m and re.match(r'\.(data|bss|tdata|tbss)', m.group(1)) and not m.group(1).startswith('.data.rel.ro'):
            found.add(m.group(2))
    return sorted(found)


def check_globals(root, build):
    for room in plan(root):
        for s in writable(library(build, room)):
            if s.split('.')[0] not in ALLOWED_GLOBALS.get(room, {}):
                yield f'room {room}: {s} is a writable global'


def check_basenames(root, _build):
    seen = {}
    for path in sorted((root / 'src').rglob('*')):
        if path.suffix not in ('.c', '.h') or path.parent.name == 'bin':
            continue
        key = path.stem
        if key in seen and seen[key] != path.parent:
            yield f'{path.relative_to(root)}: the name {key} is taken by {seen[key].relative_to(root)}'
        seen[key] = path.parent
    for path in sorted((root / 'src').rglob('*.[ch]')):
        lines = path.read_text().splitlines()[:2]
        rel = path.relative_to(root)
        if not lines or lines[0] != '/* SPDX-License-Identifier: Apache-2.0 */':
            yield f'{rel}: the first line is not the licence'
        elif len(lines) < 2 or not lines[1].startswith(f'/* {path.name}: '):
            yield f'{rel}: the second line does not say what {path.name} is for'


def main():
    check, root, build = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    found = list(globals()['check_' + check](root, build))
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == '__main__':
    main()
