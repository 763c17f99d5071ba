# One image for every process of the project: code location, webserver, daemon, read API.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /opt/cph50
# The lock names every package with its version and hash; installed before the code, it is a layer that rarely
# changes.
COPY requirements.lock ./
RUN pip install --compile --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY deploy/dagster.yaml ./deploy/
COPY data/devices.example.yaml data/meters.example.json data/session_vehicle_map.example.json ./data/
COPY data/vehicle_config.example.json ./data/
COPY cph50_pipeline ./cph50_pipeline
# In place, because profile and examples are found beside the package. The build backend comes from the lock.
RUN pip install --no-deps --no-build-isolation --editable . && python -m compileall -q cph50_pipeline

FROM python:3.11.14-slim-bookworm
# The publisher commits with git itself.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 cph50 \
    && useradd --uid 10001 --gid cph50 --create-home --shell /usr/sbin/nologin cph50 \
    && install -d -o cph50 -g cph50 /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/cph50 /opt/cph50
COPY deploy/docker /opt/cph50/deploy/docker
# Dagster's home holds its configuration only: records are in PostgreSQL, logs on the data volume.
COPY deploy/docker/dagster.yaml /opt/cph50/dagster_home/dagster.yaml
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DAGSTER_HOME=/opt/cph50/dagster_home \
    CPH50_DATA_DIR=/data
USER cph50
WORKDIR /data
VOLUME /data
