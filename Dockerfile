# syntax=docker/dockerfile:1

FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/wxsp
COPY requirements.lock ./
RUN /opt/wxsp/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY platform platform
COPY tenants tenants
COPY templates templates
COPY migrations migrations
RUN /opt/wxsp/bin/pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
 && /opt/wxsp/bin/pip install --no-cache-dir --no-index --no-deps /tmp/wheel/wxsp-*.whl \
 && /opt/wxsp/bin/python -m compileall -q /opt/wxsp/lib

FROM python:3.12-slim
RUN groupadd --gid 10001 wxsp \
 && useradd --uid 10001 --gid wxsp --home-dir /var/lib/wxsp --create-home --shell /usr/sbin/nologin wxsp
COPY --from=build /opt/wxsp /opt/wxsp
ENV PATH=/opt/wxsp/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/wxsp
USER wxsp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["wxsp"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
