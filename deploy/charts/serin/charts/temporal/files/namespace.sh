#!/bin/sh
# Registers a namespace as soon as Temporal answers. May run again: a namespace that is there stays as it is.
# The command line reads TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE itself.
set -eu

until temporal operator cluster health; do sleep 2; done

until temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" > /dev/null 2>&1; do
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION" || sleep 2
done
echo "namespace $TEMPORAL_NAMESPACE is there"
