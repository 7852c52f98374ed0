# The tag is exact. A digest, which no registry can move, stands behind it once somebody who reaches the registry has looked
# it up: Renovate does (.github/renovate.json), or by hand, for python:3.11.14-slim-bookworm@sha256:… :
#   docker buildx imagetools inspect python:3.11.14-slim-bookworm --format '{{.Manifest.Digest}}'
FROM python:3.11.14-slim-bookworm AS build

# With PostgreSQL's driver, as whoever runs several replicas needs it, and an image of its own for that would be one too many.
COPY requirements.txt requirements-postgresql.txt /build/
# Wheels only: what would need a compiler fails here instead of bringing one along.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary=:all: \
        --require-hashes -r /build/requirements.txt -r /build/requirements-postgresql.txt \
    && /opt/venv/bin/pip uninstall --yes pip setuptools

WORKDIR /app
COPY alertsync/ alertsync/
COPY wsgi.py gunicorn.conf.py LICENSE ./
# The root file system may be read-only, so byte code is compiled now or never.
RUN /opt/venv/bin/python -m compileall -q /opt/venv/lib /app


FROM python:3.11.14-slim-bookworm

LABEL org.opencontainers.image.title="alertsync" \
      org.opencontainers.image.description="Keeps Prometheus Alertmanager and Grafana IRM telling the same story." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STATE_DIR=/var/lib/alertsync

COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app

# The one directory that is written to. A named volume takes over its owner.
RUN install -d -o 10001 -g 10001 -m 0750 /var/lib/alertsync
VOLUME ["/var/lib/alertsync"]

WORKDIR /app
USER 10001:10001
EXPOSE 8080

# Liveness, and past any proxy of the environment.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:' + (os.environ.get('PORT', '').strip() or '8080') + '/healthz', timeout=4)"]

CMD ["gunicorn"]
