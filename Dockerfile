# docker build -t serin:0.1.0 .                                     worker and starter: node dist/worker.js, dist/starter.js
# docker build -t serin-loadtester:0.1.0 --target loadtester .      the same with tools for load tests

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev

FROM node:24-slim AS runtime
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# The image's user `node`, as a number: Kubernetes cannot tell that a name is not root.
USER 1000:1000

FROM runtime AS loadtester
USER 0:0
# tini collects what commands leave behind when they are killed; node, as process 1, would not.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends bash ca-certificates curl hey jq tini \
  && rm -rf /var/lib/apt/lists/*
USER 1000:1000
ENTRYPOINT ["tini", "--"]
CMD ["node", "dist/loadtester/index.js"]

FROM runtime AS serin
CMD ["node", "dist/worker.js"]
