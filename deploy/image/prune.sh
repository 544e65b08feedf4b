#!/bin/sh
# Takes out of a folder of production modules what no process of ours can load: sh prune.sh node_modules
set -eu
modules=$1

# The native part of Temporal's SDK comes for five platforms, 30 MB each, with the Rust sources it was built from.
bridge=$modules/@temporalio/core-bridge
platform=$(uname -m)-unknown-linux-gnu
test -f "$bridge/releases/$platform/index.node"
find "$bridge/releases" -mindepth 1 -maxdepth 1 ! -name "$platform" -exec rm -rf {} +
for source in bridge-macros scripts sdk-core src ts Cargo.lock Cargo.toml; do rm -rf "${bridge:?}/$source"; done

# The compiler of workflows. The worker loads the bundle that the build made; webpack stays, the SDK imports it all the same.
rm -rf "$modules"/@swc/core "$modules"/@swc/core-* "$modules"/swc-loader

# Types, sources and source maps: Node runs no TypeScript below node_modules, and reads no maps unless it is told to.
find "$modules" -type f \
  \( -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.map' -o -name '*.tsbuildinfo' \) -delete
