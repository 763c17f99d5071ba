"""Where the household's files live and how they are published: whole files, locks, a commit a run."""
