# Untested: no container engine was at hand when this was written.
#
#   docker build --tag mnemosync --build-arg TAG="$(git describe --tags --always)" --build-arg COMMIT="$(git rev-parse HEAD)" .
#   docker run --init --env MNEMOSYNC_POSTGRES_URL=… --env MNEMOSYNC_REDIS_URL=… --volume "$PWD/keys.json":/etc/mnemosync/keys.json mnemosync

FROM node:20-bookworm-slim AS build
WORKDIR /app
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ libfaiss-dev libopenblas-dev \
    && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json .npmrc tsconfig.json tsconfig.build.json LICENSE ./
COPY scripts ./scripts
RUN npm ci
COPY sql ./sql
COPY src ./src
# With both URLs set, set-up does not look for servers to test with: it makes the FAISS binding and dist/.
# TAG and COMMIT are what `mnemosync --version` says.
ARG TAG=
ARG COMMIT=
RUN node scripts/release/build-file.mjs build.json "$TAG" "$COMMIT" \
    && MNEMOSYNC_POSTGRES_URL=postgres://elsewhere MNEMOSYNC_REDIS_URL=redis://elsewhere node scripts/setup.mjs \
    && npm prune --omit=dev

FROM node:20-bookworm-slim
WORKDIR /app
# What the FAISS binding is linked against; Debian's FAISS itself is in it.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libopenblas0-pthread libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=node --group=node /var/lib/mnemosync /etc/mnemosync
COPY --from=build /app/package.json /app/build.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/sql ./sql
COPY docs/openapi.json ./docs/openapi.json
ENV NODE_ENV=production \
    MNEMOSYNC_FAISS_DIRECTORY=/var/lib/mnemosync/faiss \
    MNEMOSYNC_HTTP_HOST=0.0.0.0 \
    MNEMOSYNC_HTTP_PORT=8420 \
    MNEMOSYNC_HTTP_KEYS_FILE=/etc/mnemosync/keys.json
VOLUME /var/lib/mnemosync
USER node
EXPOSE 8420
STOPSIGNAL SIGTERM
# Alive, not ready: a store that is away is no reason to restart this.
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.MNEMOSYNC_HTTP_PORT}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/program/main.js"]
CMD ["serve", "--log-level", "info"]
