# docker build -t serin:0.1.0 .                                     worker and starter: node dist/worker.js, dist/starter.js
# docker build -t serin-loadtester:0.1.0 --target loadtester .      the same with tools for load tests
#
# Nothing in the images is written to while they run but /tmp, and nothing in them belongs to the user they run as. They
# want glibc: Temporal's SDK has a native part, and none of its builds is for musl.

# The Node that package.json tests with.
ARG NODE_VERSION=24.21.0

FROM node:${NODE_VERSION}-slim AS base
WORKDIR /app

# Installing runs no scripts of packages: ours need none, and `node`, which brings Node to machines without it, has a long one.
FROM base AS modules
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/npm-cache npm ci --cache /npm-cache --omit=dev --ignore-scripts
COPY deploy/image/prune.sh ./
RUN sh prune.sh node_modules

FROM base AS build
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/npm-cache npm ci --cache /npm-cache --include=dev --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM base AS loadtester
# tini collects what commands leave behind when they are killed; node, as process 1, would not.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends bash ca-certificates curl hey jq tini \
  && rm -rf /var/lib/apt/lists/*
# Commands may want to write where they are at home.
ENV NODE_ENV=production HOME=/tmp
COPY --from=modules /app/node_modules ./node_modules
COPY package.json ./
COPY --from=build /app/dist ./dist
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="serin-loadtester" \
  org.opencontainers.image.description="Load tests, acceptance tests and gates for releases by Serin." \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
# The image's user `node`, as a number: Kubernetes cannot tell that a name is not root.
USER 1000:1000
ENTRYPOINT ["tini", "--"]
CMD ["node", "dist/loadtester/index.js"]

FROM base AS serin
ENV NODE_ENV=production
# What changes seldom comes first.
COPY --from=modules /app/node_modules ./node_modules
COPY package.json ./
COPY --from=build /app/dist ./dist
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="serin" \
  org.opencontainers.image.description="Progressive delivery on Kubernetes: a drop-in for Flagger whose releases are durable Temporal workflows." \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
USER 1000:1000
CMD ["node", "dist/worker.js"]
