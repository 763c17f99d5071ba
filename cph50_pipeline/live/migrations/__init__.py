"""How the tables of the latest values came about; read by Alembic, never imported."""
