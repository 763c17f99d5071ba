"""The hook that refuses pushes as GitHub does, in its words: protected branches, large files, workflows."""

from __future__ import annotations

import stat
from pathlib import Path

_PRE_RECEIVE = r"""#!/bin/sh
# Settings come from the server that runs git: SIMULATED_PROTECTED, SIMULATED_FILE_BYTES, SIMULATED_WORKFLOWS.
nothing=0000000000000000000000000000000000000000
refused=0
while read -r old new ref; do
  for branch in $SIMULATED_PROTECTED; do
    if [ "$ref" = "refs/heads/$branch" ]; then
      echo "error: GH006: Protected branch update failed for $ref." >&2
      echo >&2
      echo "- Changes must be made through a pull request." >&2
      refused=1
    fi
  done
  [ "$new" = "$nothing" ] && continue
  large=$(git rev-list --objects "$new" --not --all |
    git cat-file --batch-check='%(objecttype) %(objectsize) %(rest)' |
    awk -v most="$SIMULATED_FILE_BYTES" '$1 == "blob" && $2 > most { print }')
  if [ -n "$large" ]; then
    echo "error: Trace: 00000000000000000000000000000000" >&2
    echo "error: See https://gh.io/lfs for more information." >&2
    echo "$large" | while read -r kind size path; do
      echo "error: File $path is $((size / 1048576)).00 MB; this exceeds GitHub's file size limit of" \
        "$((SIMULATED_FILE_BYTES / 1048576)).00 MB" >&2
    done
    echo "error: GH001: Large files detected. You may want to try Git Large File Storage -" \
      "https://git-lfs.github.com." >&2
    refused=1
  fi
  if [ -z "$SIMULATED_WORKFLOWS" ]; then
    workflow=$(git log --format= --name-only "$new" --not --all -- .github/workflows | head -n 1)
    if [ -n "$workflow" ]; then
      echo "error: refusing to allow a Personal Access Token to create or update workflow" \
        "\`$workflow\` without \`workflow\` scope" >&2
      refused=1
    fi
  fi
done
exit $refused
"""


def install_hook(git_dir: Path) -> None:
    """Let a bare repository refuse what GitHub refuses."""
    hook = git_dir / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_PRE_RECEIVE)
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
