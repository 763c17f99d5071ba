"""A stand-in for GitHub on loopback: its REST API and git over HTTP, over real bare repositories.

Repositories (`repository`, with `objects`, `trees`, `commits`) are read and written by git and beside it; `api` with
`git_data`, `contents`, `history` and `smart_http` are the two ways in; `access` and `rate` say who may ask how often;
`handling` lets faults hit. `running` is what tests and commands start. Importing this package loads no HTTP library.
"""

from cph50_pipeline.simulator.github.running import RunningGitHub

__all__ = ["RunningGitHub"]
