# The service in a container: no torch, no compiler, no pip; an ordinary user; nothing it writes to
# but /tmp and, where they are asked for, the audit file and the feedback. See docs/deploying.md.
#
#   docker build -t lucency .

FROM python:3.11-slim-bookworm AS build
COPY . /source
# Compiled here, since a read-only container could not keep what it compiles, and would compile anew
# at every start. The libraries' own tests are no part of the service.
RUN python -m venv --without-pip /opt/lucency \
    && pip --python /opt/lucency/bin/python install --no-cache-dir --no-compile \
        --disable-pip-version-check --constraint /source/constraints.txt /source \
    && find /opt/lucency -type d -name tests -prune -exec rm -rf {} + \
    && /opt/lucency/bin/python -m compileall -q /opt/lucency/lib

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="lucency" \
      org.opencontainers.image.description="Finds and localises anomalies in radiographs. For research use only; not for diagnosis." \
      org.opencontainers.image.licenses="AGPL-3.0-or-later"
RUN groupadd --system --gid 10001 lucency \
    && useradd --system --uid 10001 --gid lucency --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin lucency \
    && install -d -o lucency -g lucency -m 0750 /var/lib/lucency
COPY --from=build /opt/lucency /opt/lucency
# All addresses of the container, not of the host. Others can reach it, so the service starts only
# with API keys: LUCENCY_API_KEYS_FILE.
ENV PATH=/opt/lucency/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LUCENCY_HOST=0.0.0.0 \
    LUCENCY_PORT=8000
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['LUCENCY_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["lucency"]
CMD ["serve"]
