"""The Dagster shell: assets, jobs, sensors and the resources they run on. The only folder that imports Dagster."""
