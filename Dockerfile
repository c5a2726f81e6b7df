# One image for every process of Tapedeck and for the nats-server of its wheel. See deploy/README.md.

FROM python:3.11-slim AS build
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends make maven \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/tapedeck
ENV TAPEDECK_CACHE_DIR=/opt/tapedeck/cache TAPEDECK_REQUIRE_QUESTDB=1 PIP_NO_CACHE_DIR=1
# First what changes seldom: packages and the QuestDB jar.
COPY pyproject.toml requirements.lock Makefile LICENSE README.md ./
COPY scripts scripts
RUN python -m scripts.setup --without-project
COPY events events
COPY engine engine
COPY projections projections
COPY api api
RUN make setup

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home tapedeck \
    && mkdir /data \
    && chown tapedeck: /data
COPY --from=build --chown=tapedeck: /opt/tapedeck /opt/tapedeck
# Kernels are compiled for the processor they run on: on another one than the build's they are compiled at the start.
ENV PATH=/opt/tapedeck/.venv/bin:$PATH TAPEDECK_CACHE_DIR=/opt/tapedeck/cache TAPEDECK_DATA=/data
WORKDIR /data
USER tapedeck
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["tapedeck"]
CMD ["up"]
