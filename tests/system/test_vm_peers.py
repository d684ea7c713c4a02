# SPDX-License-Identifier: Apache-2.0
"""estiba-run as the runtime of podman, docker and containerd: tests/vm/peers-story in a machine that has them."""
from test_vm import pytestmark, tell  # noqa: F401


def test_peers_story(tmp_path):
    tell(tmp_path, 'peers-story', '6.12', '--peers', '--systemd', '--mem', '3072', limit=400)
