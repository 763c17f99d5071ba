"""What Alembic runs to bring the tables up to date, on the connection that it is given.

Whoever gives the connection holds the lock, and commits all revisions at once or none.
"""

from alembic import context

from cph50_pipeline.live.tables import REVISION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=REVISION_TABLE)
with context.begin_transaction():
    context.run_migrations()
