#!/bin/sh
# Prepares the cluster for docker-compose.yml. May run again.
set -eu

# The kubeconfig that k3s wrote is for its own container.
sed 's|https://127.0.0.1:6443|https://kubernetes:6443|' /output/kubeconfig.yaml > /output/serin.yaml.part
chmod 644 /output/serin.yaml.part
mv /output/serin.yaml.part /output/serin.yaml
export KUBECONFIG=/output/serin.yaml

kubectl apply --server-side -f /crds

# k3s installs Istio from its charts, which takes a few minutes at the first start.
for name in virtualservices destinationrules gateways; do
  until kubectl get "crd/$name.networking.istio.io" > /dev/null 2>&1; do sleep 2; done
  kubectl wait --for=condition=Established --timeout=60s "crd/$name.networking.istio.io"
done
